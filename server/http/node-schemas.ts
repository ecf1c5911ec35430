import { z } from "zod";
import type { CredentialRequest, NodeReport, PhaseReport } from "../../agent/contract.ts";

/** The agent's contract as checks: a node is a machine on the network like any other. */

const count = z.int().min(0);
const size = z.number().min(0);
const word = z.string().max(200);

export const phaseReportSchema: z.ZodType<PhaseReport> = z.strictObject({
  phase: z.enum(["starting", "root", "up", "stopping", "failed"]),
  message: z.string().max(8000).exactOptional(),
  uptimeSeconds: size.exactOptional(),
});

export const credentialRequestSchema: z.ZodType<CredentialRequest> = z.strictObject({
  credentialDigest: z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 digest in lower-case hexadecimal"),
});

const nic = z.strictObject({
  name: word,
  mac: word,
  driver: word,
  pciAddress: word.exactOptional(),
  pciId: word.exactOptional(),
  pciSubsystemId: word.exactOptional(),
  port: count,
  linkUp: z.boolean(),
  speedMbps: size.exactOptional(),
});

const disk = z.strictObject({
  name: word,
  bytes: size,
  model: word.exactOptional(),
  serial: word.exactOptional(),
  rotational: z.boolean(),
  path: word.exactOptional(),
});

const hardware = z.strictObject({
  cpu: z.strictObject({ model: word, sockets: count, cores: count, threads: count, mhz: size }),
  memoryBytes: size,
  nics: z.array(nic).max(256),
  disks: z.array(disk).max(1024),
  kernel: word,
  uuid: word.exactOptional(),
  vendor: word.exactOptional(),
  product: word.exactOptional(),
  firmware: z.enum(["bios", "uefi"]),
});

export const nodeReportSchema: z.ZodType<NodeReport> = z.strictObject({
  uptimeSeconds: size,
  load: z.strictObject({
    average: z.tuple([size, size, size]),
    runnable: count,
    memoryAvailableBytes: size,
    cpuBusy: z.number().min(0).max(1),
  }),
  hardware: hardware.exactOptional(),
});
