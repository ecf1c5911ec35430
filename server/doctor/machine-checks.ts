import { type Check, fail, ok, warn } from "./check.ts";

/** What is known of the machine before any configuration is read. */
export type MachineFacts = {
  /** `26.10.0` */
  nodeVersion: string;
  /** /proc/self/status (proc(5)). */
  processStatus: string;
  /** Path of an installed program. */
  program: (name: string) => string | undefined;
};

/** Bits of capabilities(7), and what the head needs each for. */
const capabilities = [
  { name: "CAP_NET_BIND_SERVICE", bit: 10, use: "ports below 1024" },
  { name: "CAP_NET_ADMIN", bit: 12, use: "receive buffers with room for a rack" },
  {
    name: "CAP_NET_RAW",
    bit: 13,
    use: "sockets that belong to one interface, answers to machines without an address",
  },
  { name: "CAP_SYS_ADMIN", bit: 21, use: "the NFS server and image builds" },
] as const;

const programs = [
  { name: "mmdebstrap", use: "build-image", fix: "apt-get install mmdebstrap" },
  { name: "qemu-system-x86_64", use: "lab", fix: "apt-get install qemu-system-x86" },
] as const;

export function machineChecks(facts: MachineFacts): readonly Check[] {
  return [nodeCheck(facts.nodeVersion), capabilityCheck(facts.processStatus), ...programChecks(facts)];
}

function nodeCheck(version: string): Check {
  return Number(version.split(".")[0]) >= 26
    ? ok("node", `Node ${version}`)
    : fail("node", `Node ${version} is too old, 26 is needed`, "scripts/setup");
}

function capabilityCheck(processStatus: string): Check {
  const digits = /^CapEff:\s*(?<set>[0-9a-f]+)$/m.exec(processStatus)?.groups?.["set"] ?? "0";
  const effective = BigInt(`0x${digits}`);
  const missing = capabilities.filter(({ bit }) => (effective & (1n << BigInt(bit))) === 0n);
  if (missing.length === 0) return ok("privileges", "every capability that the head needs");
  const list = missing.map(({ name, use }) => `${name} (${use})`).join(", ");
  return fail("privileges", `this process lacks ${list}`, "sudo provision doctor, sudo provision serve");
}

function programChecks({ program }: MachineFacts): readonly Check[] {
  return programs.map(({ name, use, fix }) => {
    const path = program(name);
    return path === undefined
      ? warn(name, `not installed; needed for ${use}`, fix)
      : ok(name, `${path}, for ${use}`);
  });
}
