import { assertNever } from "../lib/assert.ts";
import type { BootEvent, Transfer } from "../model/boot-event.ts";

/** One line for people on what happened, without when and to whom. */
export function textOf(event: BootEvent): string {
  switch (event.kind) {
    case "offered": {
      const who = {
        firmware: `firmware (${event.firmware})`,
        ipxe: `iPXE (${event.firmware})`,
        system: "the running system",
      }[event.client];
      if (event.server !== undefined) return `${who} takes ${event.ip} of the DHCP server ${event.server}`;
      const address = [event.ip, event.network].filter((given) => given !== undefined).join(" of ");
      return `${who} was offered ${[address, event.bootFile ?? ""].filter((given) => given !== "").join(" and ") || "nothing"}`;
    }
    case "loader": {
      return `fetched the loader ${transferText(event)}`;
    }
    case "script": {
      return event.known
        ? `fetched its boot script, ${event.bytes} bytes`
        : "is not in the inventory: was told to wait";
    }
    case "waiting": {
      return turnText(event.before);
    }
    case "kernel":
    case "initrd":
    case "overlay": {
      return `fetched the ${event.kind} ${transferText(event)}`;
    }
    case "starting": {
      return `initrd runs${uptimeText(event.uptimeSeconds)}${event.message === undefined ? "" : `: ${event.message}`}`;
    }
    case "root": {
      return `root is mounted${uptimeText(event.uptimeSeconds)}`;
    }
    case "up": {
      return `is up${uptimeText(event.uptimeSeconds)}`;
    }
    case "stopping": {
      return "is shutting down";
    }
    case "failed": {
      return `failed: ${event.message}`;
    }
    case "lost": {
      return `lost: silent for ${(event.silentMs / 1000).toFixed(1)} s`;
    }
    case "returned": {
      return "is heard again";
    }
    case "refused": {
      return `was refused (${event.step}): ${event.message}`;
    }
    default: {
      return assertNever(event);
    }
  }
}

/** `waiting for its turn: 12 before it` */
export function turnText(before: number): string {
  return `waiting for its turn: ${before} before it`;
}

function transferText({ file, bytes, durationMs, via }: Transfer): string {
  return `${file} by ${via.toUpperCase()}, ${bytesText(bytes)} in ${(durationMs / 1000).toFixed(1)} s`;
}

function uptimeText(seconds: number | undefined): string {
  return seconds === undefined ? "" : `, ${seconds.toFixed(0)} s after its kernel started`;
}

/** `312 bytes`, `11.8 MiB` */
export function bytesText(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
