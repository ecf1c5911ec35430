import type { HeadFault } from "../model/head-fault.ts";
import type { Phase } from "../model/phase.ts";

/** What usually stops a boot after each step. */
export function likelyCause(
  phase: Phase,
  fault: HeadFault | undefined,
  ip: string,
): { cause: string; tryNext: string[] } {
  if (fault !== undefined) return { cause: fault.message, tryNext: [fault.fix] };
  const console = "look at its console";
  switch (phase) {
    case "offered": {
      return {
        cause:
          "it was offered an address and did not take the loader: another DHCP server, a firewall on UDP 69, or it was switched off",
        tryNext: [
          "provision events --follow",
          console,
          "dhcp.broadcast: always    (in the configuration, for firmware that misses answers to its own address)",
        ],
      };
    }
    case "loader": {
      return {
        cause: "its loader did not start: Secure Boot refuses an unsigned one, or it was switched off",
        tryNext: [
          "provision set-node NODE --loader shim    (signed, for Secure Boot)",
          "or switch Secure Boot off in its firmware",
          console,
        ],
      };
    }
    case "script":
    case "kernel":
    case "initrd": {
      return {
        cause:
          "its loader stopped in the middle of the downloads: too little memory, a cable, or it was switched off",
        tryNext: [console],
      };
    }
    case "overlay": {
      return {
        cause:
          "its kernel was loaded and its initrd was not heard: the kernel panicked, or has no driver for the network card",
        tryNext: [console, "provision render NODE    (kernel arguments)"],
      };
    }
    case "starting": {
      return {
        cause: "its initrd runs and its root was not mounted",
        tryNext: ["provision status    (the NFS server)", console],
      };
    }
    default: {
      return {
        cause: "its root is mounted and its agent was not heard",
        tryNext: [`ssh root@${ip} journalctl -u provision-agent`, console],
      };
    }
  }
}
