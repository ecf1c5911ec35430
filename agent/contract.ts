/**
 * What a node and the head say to each other over HTTP. The only file of the agent that the head may import.
 *
 * Every request of a node goes below `PROVISION_URL` (`http://HEAD:PORT/node/NAME`) and carries
 * `Authorization: Bearer SECRET`.
 *
 *     POST /phase        boot token or credential   PhaseReport          204
 *     POST /credential   boot token                 CredentialRequest    204; 403 when the token is spent
 *     POST /report       credential                 NodeReport           204; 403 when the credential is not this boot's
 */

/** The interval at which an agent reports, and so the heartbeat. */
export const reportIntervalMs = 2000;

/** A node that has not reported for this long is lost. */
export const lostAfterMs = 8500;

/** `starting`: the initrd runs and its network is up. `root`: the root is mounted. `up`: the agent runs. */
export type ReportedPhase = "starting" | "root" | "up" | "stopping" | "failed";

export type PhaseReport = {
  phase: ReportedPhase;
  /** Why, for `failed`; what the initrd is at, for `starting`, which may come again and again. */
  message?: string;
  /** Seconds since the node's kernel started. */
  uptimeSeconds?: number;
};

/**
 * Exchanges the single-use boot token for a credential. The node makes the credential itself and sends only its
 * digest, so the exchange can be repeated when an answer was lost, by nobody but the node that began it.
 */
export type CredentialRequest = {
  /** SHA-256 of the credential, in hexadecimal. */
  credentialDigest: string;
};

export type NodeReport = {
  uptimeSeconds: number;
  load: Load;
  /** Sent with the first report of a boot and when it has changed. */
  hardware?: Hardware;
};

export type Load = {
  /** Mean number of runnable tasks over 1, 5 and 15 minutes (proc(5), loadavg). */
  average: [number, number, number];
  runnable: number;
  memoryAvailableBytes: number;
  /** Share of processor time not idle since the report before, 0 to 1. */
  cpuBusy: number;
};

/** The longest text in a hardware report, in characters: the agent cuts what is longer, the head refuses it. */
export const hardwareTextLimit = 200;

export type Hardware = {
  cpu: { model: string; sockets: number; cores: number; threads: number; mhz: number };
  memoryBytes: number;
  nics: readonly NicReport[];
  disks: readonly DiskReport[];
  kernel: string;
  /** SMBIOS UUID, lower case. */
  uuid?: string;
  vendor?: string;
  product?: string;
  firmware: "bios" | "uefi";
};

export type NicReport = {
  name: string;
  mac: string;
  driver: string;
  /** PCI address (`0000:00:03.0`), and vendor:device and subsystem ids (`1af4:1000`). */
  pciAddress?: string;
  pciId?: string;
  pciSubsystemId?: string;
  /** dev_port of the kernel: which port of a card that has several. */
  port: number;
  linkUp: boolean;
  /** Absent when the driver does not know. */
  speedMbps?: number;
};

export type DiskReport = {
  name: string;
  bytes: number;
  model?: string;
  serial?: string;
  rotational: boolean;
  /** As in /dev/disk/by-path. */
  path?: string;
};

/** /etc/provision/agent.json on a node; the overlay brings it. */
export type AgentConfig = {
  /** `http://10.0.1.1:8080/node/n001` */
  url: string;
  node: string;
  /** The boot token, good for one exchange. */
  token: string;
};
