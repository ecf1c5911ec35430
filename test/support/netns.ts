import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type Options, type ResultPromise, execa, execaSync } from "execa";

/**
 * A rack made of network namespaces: a head with one bridge per network, and clients with one port each. Both ends of
 * every cable are born inside their namespaces, so the machine that runs the test sees none of them. Needs root.
 */
export type RackOptions = {
  clients: readonly (string | ClientOptions)[];
  /** The first is where clients are plugged in unless they say otherwise. Default: `br0` with 10.77.0.1/24. */
  networks?: readonly NetworkOptions[];
};

export type ClientOptions = {
  name: string;
  /** Default: 52:54:00:77:00:01 and up, in the order of the list. */
  mac?: string;
  /** `10.77.0.5/24` for a client that needs no DHCP. */
  address?: string;
  /** Name of its network. */
  network?: string;
};

export type NetworkOptions = {
  /** The bridge's device in the head's namespace, at most 15 characters. */
  name: string;
  /** The head's address there: `10.77.0.1/24`. */
  address?: string;
  /** No bridge but a plain cable to the network's only client, named as the network: what benches measure through. */
  cable?: boolean;
};

/** One machine of the rack. A client's port is always called `eth0`; the head's devices are its bridges. */
export type RackHost = { namespace: string; device: string; mac: string };

export type Rack = {
  head: RackHost;
  client: (name: string) => RackHost;
  /** Runs to the end; rejects on a non-zero exit unless `reject: false`; 30 s at most unless told otherwise. */
  exec: (host: RackHost, argv: readonly string[], options?: Options) => Promise<ExecResult>;
  /** Starts in the background; `dispose` ends it. */
  spawn: (host: RackHost, argv: readonly string[], options?: Options) => ResultPromise;
  /** Ends every process in the namespaces and removes them. Harmless when called twice. */
  dispose: () => Promise<void>;
};

export type ExecResult = { stdout: string; stderr: string; exitCode: number | undefined };

const defaultNetwork: NetworkOptions = { name: "br0", address: "10.77.0.1/24" };
const racks = new Set<string>();
let rackCount = 0;

/** Makes the rack; on failure nothing stays behind. */
export async function createRack(options: RackOptions): Promise<Rack> {
  removeLeftovers();
  removeAtExit();
  rackCount += 1;
  const prefix = `pv${process.pid}x${rackCount}-`;
  racks.add(prefix);
  try {
    return await wireUp(prefix, options);
  } catch (error) {
    removeRack(prefix);
    throw error;
  }
}

/** Makes a rack, uses it, removes it. */
export async function withRack<T>(options: RackOptions, use: (rack: Rack) => Promise<T>): Promise<T> {
  const rack = await createRack(options);
  try {
    return await use(rack);
  } finally {
    await rack.dispose();
  }
}

async function wireUp(prefix: string, options: RackOptions): Promise<Rack> {
  const networks = options.networks ?? [defaultNetwork];
  const first = networks[0] ?? defaultNetwork;
  const head = `${prefix}head`;
  await addNamespace(head);
  for (const network of networks.filter(({ cable }) => cable !== true)) await addBridge(head, network);
  const clients = new Map<string, RackHost>();
  for (const [index, entry] of options.clients.entries()) {
    const client = typeof entry === "string" ? { name: entry } : entry;
    const port = `${client.network ?? first.name}p${index}`;
    const cable = networks.find(
      ({ name, cable }) => cable === true && name === (client.network ?? first.name),
    );
    clients.set(
      client.name,
      cable === undefined
        ? await addClient(prefix, index, client, { head, port, bridge: first.name })
        : await addCableClient(prefix, index, client, { head, cable }),
    );
  }
  const headMac = await ip(["-n", head, "-br", "link", "show", first.name]);
  return {
    head: { namespace: head, device: first.name, mac: headMac.split(/\s+/)[2] ?? "" },
    client: (name) => {
      const host = clients.get(name);
      if (host === undefined) throw new Error(`the rack has no client ${name}`);
      return host;
    },
    exec: async (host, argv, execOptions = {}) => {
      const result = await execa("ip", inside(host, argv), { timeout: 30_000, ...execOptions });
      return {
        stdout: String(result.stdout ?? ""),
        stderr: String(result.stderr ?? ""),
        exitCode: result.exitCode,
      };
    },
    spawn: (host, argv, execOptions = {}) => {
      const child = execa("ip", inside(host, argv), { reject: false, ...execOptions });
      child.catch(() => undefined); // a child that cannot start is seen by whoever waits for what it should do
      return child as ResultPromise;
    },
    dispose: async () => {
      removeRack(prefix);
      await Promise.resolve();
    },
  };
}

/** With a host name of its own (UTS namespace), or a DHCP client would rename the machine that runs the test. */
function inside(host: RackHost, argv: readonly string[]): string[] {
  return ["netns", "exec", host.namespace, "unshare", "--uts", "--", ...argv];
}

async function addNamespace(name: string): Promise<void> {
  // `ip netns exec` lays these over /etc: a DHCP client must not write the host's resolv.conf.
  mkdirSync(`/etc/netns/${name}`, { recursive: true });
  writeFileSync(`/etc/netns/${name}/resolv.conf`, "");
  await ip(["netns", "add", name]);
  await ip(["-n", name, "link", "set", "lo", "up"]);
}

async function addBridge(head: string, network: NetworkOptions): Promise<void> {
  // No spanning tree and no forward delay: a port that is silent for 15 s is more than iPXE waits.
  const bridge = ["type", "bridge", "forward_delay", "0", "stp_state", "0"];
  await ip(["-n", head, "link", "add", network.name, ...bridge]);
  if (network.address !== undefined) {
    await ip(["-n", head, "address", "add", network.address, "brd", "+", "dev", network.name]);
  }
  await ip(["-n", head, "link", "set", network.name, "up"]);
}

async function addClient(
  prefix: string,
  index: number,
  client: ClientOptions,
  plug: { head: string; port: string; bridge: string },
): Promise<RackHost> {
  const host = await addCable(prefix, index, client, plug);
  await ip(["-n", plug.head, "link", "set", plug.port, "master", client.network ?? plug.bridge, "up"]);
  return await bringUp(host, client.address);
}

async function addCableClient(
  prefix: string,
  index: number,
  client: ClientOptions,
  { head, cable }: { head: string; cable: NetworkOptions },
): Promise<RackHost> {
  const host = await addCable(prefix, index, client, { head, port: cable.name });
  await bringUp({ namespace: head, device: cable.name, mac: "" }, cable.address);
  return await bringUp(host, client.address);
}

/** A namespace whose `eth0` is joined to the device `port` in the head's. */
async function addCable(
  prefix: string,
  index: number,
  client: ClientOptions,
  { head, port }: { head: string; port: string },
): Promise<RackHost> {
  const namespace = `${prefix}${client.name}`;
  const mac = client.mac ?? `52:54:00:77:00:${(index + 1).toString(16).padStart(2, "0")}`;
  await addNamespace(namespace);
  const peer = ["type", "veth", "peer", "name", port, "netns", head];
  await ip(["link", "add", "eth0", "netns", namespace, "address", mac, ...peer]);
  return { namespace, device: "eth0", mac };
}

async function bringUp(host: RackHost, address: string | undefined): Promise<RackHost> {
  const { namespace, device } = host;
  if (address !== undefined) {
    await ip(["-n", namespace, "address", "add", address, "brd", "+", "dev", device]);
  }
  await ip(["-n", namespace, "link", "set", device, "up"]);
  return host;
}

async function ip(argv: readonly string[]): Promise<string> {
  const result = await execa("ip", argv);
  return result.stdout;
}

function namespacesWith(prefix: string): string[] {
  try {
    return readdirSync("/run/netns").filter((name) => name.startsWith(prefix));
  } catch {
    return []; // no namespace was ever made here
  }
}

/** Synchronous, so that it also works while the process exits. */
function removeRack(prefix: string): void {
  for (const name of namespacesWith(prefix)) {
    const pids = execaSync("ip", ["netns", "pids", name], { reject: false }).stdout;
    for (const pid of pids.split("\n").map(Number)) {
      if (pid > 0 && pid !== process.pid) killQuietly(pid);
    }
    execaSync("ip", ["netns", "delete", name], { reject: false });
    rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  }
  racks.delete(prefix);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended already
  }
}

/** Racks of test processes that were killed before they could tidy up. */
function removeLeftovers(): void {
  for (const name of namespacesWith("pv")) {
    const owner = /^pv(\d+)x\d+-/.exec(name);
    if (owner?.[1] !== undefined && !isAlive(Number(owner[1]))) removeRack(owner[0]);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function removeAtExit(): void {
  if (rackCount > 0) return;
  process.once("exit", () => {
    for (const prefix of racks) removeRack(prefix);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
}
