import type { Hardware, Load } from "../../agent/contract.ts";
import type { Fault } from "../lib/errors.ts";
import type { LoaderKind } from "./arch.ts";
import type { BootEvent } from "./boot-event.ts";
import type { ImageVersion } from "./image.ts";
import type { DiscoveredMachine, Group, Lease } from "./node.ts";
import type { Phase } from "./phase.ts";

/**
 * What the head's API takes and gives, as JSON. The command line is its only client so far; `--json` prints these very
 * shapes. Times are milliseconds since 1970 and end in `Ms`.
 *
 *     GET    /api/status                                   StatusAnswer
 *     GET    /api/nodes?range=RANGE                        NodesAnswer
 *     GET    /api/nodes?range=RANGE&brief=1                BriefNodesAnswer
 *     POST   /api/nodes            AddNodesRequest         ChangeAnswer
 *     PATCH  /api/nodes            SetNodesRequest         ChangeAnswer
 *     DELETE /api/nodes            RemoveNodesRequest      ChangeAnswer
 *     GET    /api/groups                                   GroupsAnswer
 *     POST   /api/groups           SetGroupRequest         ChangeAnswer     adds
 *     PATCH  /api/groups           SetGroupRequest         ChangeAnswer
 *     DELETE /api/groups           { name, dryRun? }       ChangeAnswer
 *     GET    /api/leases                                   LeasesAnswer
 *     GET    /api/discovered                               DiscoveredAnswer
 *     GET    /api/images                                   ImagesAnswer
 *     GET    /api/events?range=RANGE&limit=N               EventsAnswer   newest last
 *     GET    /api/events/stream?range=RANGE                server-sent events, `data:` is an EventAnswer
 *     GET    /api/why/NODE-OR-MAC                          WhyAnswer
 *     GET    /api/render/NODE                              RenderAnswer
 *     POST   /api/snapshot                                 SnapshotAnswer
 *
 * Every refusal is a ProblemAnswer with the status of its code (lib/errors.ts).
 */
export type ProblemAnswer = {
  code: string;
  message: string;
  faults: readonly Fault[];
  hint?: string;
};

/** A copy of the database, secrets included, in the state directory. Whoever asked for it takes it away. */
export type SnapshotAnswer = { file: string };

export type NodesAnswer = { nodes: readonly NodeAnswer[] };
export type BriefNodesAnswer = { nodes: readonly BriefNodeAnswer[] };
export type GroupsAnswer = { groups: readonly GroupAnswer[] };
export type LeasesAnswer = { leases: readonly LeaseAnswer[] };
export type DiscoveredAnswer = { machines: readonly DiscoveredAnswerMachine[] };
export type ImagesAnswer = { images: readonly ImageVersion[] };
export type EventsAnswer = { events: readonly EventAnswer[] };

/** A DHCP option as `--option NAME=VALUE` takes it; `name` is the number where it has none. */
export type OptionAnswer = { code: number; name: string; value: string };

export type GroupAnswer = Omit<Group, "options"> & { options: readonly OptionAnswer[] };

/** `relayPort` as `--relay-port` takes it. */
export type DiscoveredAnswerMachine = Omit<DiscoveredMachine, "relayPort"> & { relayPort?: string };

export type NodeAnswer = {
  name: string;
  macs: readonly string[];
  uuid?: string;
  /** As `--client-id` and `--relay-port` take them. */
  clientIds: readonly string[];
  relayPort?: string;
  ip: string;
  groups: readonly string[];
  /** As set on the node itself. */
  image?: string;
  /** What it boots, after groups and the head's default: `name@version`, or `name` while it has no version. */
  effectiveImage: string;
  /** Who says so: `node`, `group compute`, `site`. */
  imageFrom: string;
  /** As set on the node itself. */
  loader?: LoaderKind;
  /** What its firmware is given, where there is one for it, after groups and the site's. */
  effectiveLoader: LoaderKind;
  loaderFrom: string;
  kernelArguments: readonly string[];
  /** Of its own. */
  options: readonly OptionAnswer[];
  phase: Phase;
  phaseSinceMs?: number;
  lastHeartbeatMs?: number;
  hardware?: Hardware;
  load?: Load;
  sshHostKey: string;
  machineId: string;
  addedAtMs: number;
};

/** What lists show: of 100,000 nodes all there is to know is 200 MB. */
export type BriefNodeAnswer = Pick<
  NodeAnswer,
  "name" | "macs" | "ip" | "groups" | "effectiveImage" | "phase" | "lastHeartbeatMs"
> & {
  hardware?: {
    cpu: Pick<Hardware["cpu"], "model" | "threads">;
    memoryBytes: number;
    nics: readonly Pick<Hardware["nics"][number], "name" | "linkUp">[];
  };
};

/** Values of flags, as text: the head checks them all and reports every fault at once. */
export type AddNodesRequest = {
  range: string;
  /** Each item is one more port of every node: a MAC, `MAC+` counting up node by node, or one MAC a node with commas. */
  macs?: readonly string[];
  /** For a single node, or one a node with commas. */
  uuid?: string;
  /** Each item is one more identifier of every node: one for a single node, or one a node with commas. */
  clientIds?: readonly string[];
  /** `REMOTE/CIRCUIT`, `REMOTE/CIRCUIT+` counting up its last number, or one a node with commas. */
  relayPort?: string;
  /** An address, `ADDRESS+` counting up, or one a node with commas; absent: the lowest free outside the pool. */
  ip?: string;
  groups?: readonly string[];
  image?: string;
  loader?: string;
  kernelArguments?: readonly string[];
  /** Each `NAME=VALUE`. */
  options?: readonly string[];
  /** Ports from the machines seen: MACs, or `true` for as many as needed in the order seen. */
  fromDiscovered?: readonly string[] | true;
  dryRun?: boolean;
};

export type SetNodesRequest = {
  range: string;
  /** Replaces the ports. */
  macs?: readonly string[];
  addMacs?: readonly string[];
  /** Empty text: no longer set. */
  uuid?: string;
  /** Replaces them. */
  clientIds?: readonly string[];
  /** Empty text: no longer set. */
  relayPort?: string;
  ip?: string;
  /** Replaces the groups. */
  groups?: readonly string[];
  /** Empty text: no longer set. */
  image?: string;
  /** Empty text: no longer set. */
  loader?: string;
  kernelArguments?: readonly string[];
  /** Replaces them. */
  options?: readonly string[];
  rename?: string;
  dryRun?: boolean;
};

/** Nodes that are up are refused one by one unless `force`: the rest of the range goes. */
export type RemoveNodesRequest = { range: string; force?: boolean; dryRun?: boolean };

export type SetGroupRequest = {
  name: string;
  /** Empty text: no longer set. */
  image?: string;
  /** Empty text: no longer set. */
  loader?: string;
  kernelArguments?: readonly string[];
  /** Replaces them. */
  options?: readonly string[];
  dryRun?: boolean;
};

/** What was changed, or would be. `failed` is not empty only where others of the range went through. */
export type ChangeAnswer = {
  dryRun: boolean;
  /** Names, in the order of the range. */
  changed: readonly string[];
  /** Names whose settings were so already. */
  unchanged: readonly string[];
  failed: readonly { name: string; message: string }[];
  /** One line a change, for people: `n001: ip 10.0.1.1 -> 10.0.1.9`. */
  lines: readonly string[];
};

export type LeaseAnswer = Lease & {
  /** The inventory's name for it. */
  node?: string;
  /** `reserved`: a node's own address; `pool`: dynamic. */
  origin: "reserved" | "pool";
  expired: boolean;
};

/** A boot event with the number of its boot, and the node when it is one's. */
export type EventAnswer = BootEvent & { sequence: number; node?: string; boot: number; text: string };

export type StatusAnswer = {
  version: string;
  /** False when the command answered from the store because no head runs. */
  running: boolean;
  pid: number;
  startedAtMs: number;
  config: string;
  interface: string;
  address: string;
  subnet: string;
  /** What is served besides the interface's own network. */
  networks: readonly { subnet: string; wire: string; pool?: string }[];
  /** Absent: another DHCP server gives out the addresses. */
  pool?: string;
  parts: readonly PartStatus[];
  nodes: Readonly<Record<string, number>>;
  /** Which loaders the nodes, and machines that are none, are given. */
  loaders: readonly LoaderKind[];
  unknownMachines: number;
  leases: number;
  images: number;
};

export type PartStatus = {
  name: "dhcp" | "proxy-dhcp" | "dhcp6" | "tftp" | "http" | "nfs" | "database" | "schedules";
  state: "running" | "starting" | "backing-off" | "failed" | "stopped";
  detail: string;
  counters: Readonly<Record<string, number>>;
};

export type WhyAnswer = {
  /** What was asked for: a node's name or a MAC. */
  subject: string;
  phase: Phase;
  /** The one sentence that answers. */
  summary: string;
  /** The last boot, step by step. */
  steps: readonly WhyStep[];
  /** What was found out on the way, one sentence each. */
  findings: readonly string[];
  /** What to do, command lines where there are some. */
  tryNext: readonly string[];
};

export type WhyStep = {
  step: string;
  /** `missing`: the boot stopped before it. */
  state: "done" | "failed" | "missing" | "waiting";
  atMs?: number;
  /** Since the boot's first event. */
  sinceStartMs?: number;
  bytes?: number;
  durationMs?: number;
  text: string;
};

export type RenderAnswer = {
  node: string;
  image: string;
  /** `10.0.2.0/24 on rack2`; absent where the node's address is of none. */
  network?: string;
  /** `from` where an administrator set it: `node`, `group compute`, `network 10.0.2.0/24`, `site`. */
  dhcp: readonly {
    client: string;
    options: readonly { name: string; value: string; from?: string }[];
  }[];
  bootScript: string;
  kernelArguments: string;
  files: readonly RenderedFile[];
};

export type RenderedFile = {
  path: string;
  /** As `ls` counts: `0644`. */
  mode: string;
  bytes: number;
  /** Absent for secrets and for what is not text. */
  text?: string;
  secret: boolean;
};
