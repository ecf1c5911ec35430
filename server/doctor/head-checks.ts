import type { Config } from "../config/config.ts";
import { debianLoaderDirectories, grub, placesOfLoader, pxelinux, shim } from "../model/arch.ts";
import { type MachineNetwork, machineFaults } from "../config/machine.ts";
import { type AppError, messageOf } from "../lib/errors.ts";
import type { StatusAnswer } from "../model/answers.ts";
import type { ImageVersion } from "../model/image.ts";
import { type Check, fail, ok, warn } from "./check.ts";

/** A port that the head listens on. `problem`: what kept us from taking it just now. */
export type PortFact = { service: string; port: number; problem?: AppError };

/** What is known of the machine in the light of a configuration. */
export type HeadFacts = {
  network: MachineNetwork;
  /** Which NFS server would be used, or why none. */
  nfs: { backend: string } | { problem: AppError };
  fileExists: (path: string) => boolean;
  /** Free bytes where a directory is or would be; undefined: unknown. */
  freeBytes: (directory: string) => number | undefined;
  ports: readonly PortFact[];
  /** DHCP servers that answered on the nodes' network; undefined: nobody asked. */
  otherServers?: readonly string[];
  /** What the head, or the store where no head runs, says of itself. */
  store: { status: StatusAnswer; images: readonly ImageVersion[] } | { problem: unknown };
};

const gibi = 1024 ** 3;

/** An image version and the build of the next one take about this much. */
const storeBytes = 4 * gibi;
const stateBytes = gibi / 4;

export function headChecks(config: Config, facts: HeadFacts): readonly Check[] {
  return [
    ok("configuration", config.file),
    interfaceCheck(config, facts),
    ...loaderChecks(config, facts),
    nfsCheck(facts),
    ...portChecks(config, facts),
    ...otherServersCheck(config, facts),
    spaceCheck("image store space", config.imageStore, storeBytes, facts),
    spaceCheck("state space", config.stateDirectory, stateBytes, facts),
    ...storeChecks(config, facts),
  ];
}

function interfaceCheck(config: Config, { network }: HeadFacts): Check {
  const [fault] = machineFaults(config, network);
  if (fault === undefined) return ok("interface", `${config.interface} is up and has ${config.address}`);
  const fix = `ip link set ${config.interface} up; ip address add ${config.address}/${config.subnet.bits} dev ${config.interface}`;
  return fail("interface", fault.message, fix);
}

const debianPackage = "apt-get install ipxe";
const loaders = [
  { file: "undionly.kpxe", firmware: "BIOS", state: fail, fix: debianPackage },
  { file: "snponly.efi", firmware: "UEFI x64", state: fail, fix: debianPackage },
  {
    file: "ipxe-arm64.efi",
    firmware: "UEFI arm64",
    state: warn,
    fix: `${debianPackage} (of Debian 13 or newer)`,
  },
] as const;

/** What a loader besides iPXE takes. */
const otherLoaders = {
  grub: {
    name: "loader GRUB",
    firmware: "UEFI x64",
    files: [grub.x64],
    fix: "apt-get install grub-efi-amd64-bin",
  },
  pxelinux: {
    name: "loader PXELINUX",
    firmware: "BIOS",
    files: Object.values(pxelinux),
    fix: "apt-get install pxelinux syslinux-common",
  },
  shim: {
    name: "loader shim",
    firmware: "UEFI x64",
    files: [shim.x64, shim.x64Grub],
    fix: "apt-get install shim-signed grub-efi-amd64-signed",
  },
} as const;

function loaderChecks(config: Config, { fileExists, store }: HeadFacts): readonly Check[] {
  const kinds = "status" in store ? store.status.loaders : [config.loader];
  const others = kinds.flatMap((kind) => {
    if (kind === "ipxe") return [];
    const { name, firmware, files, fix } = otherLoaders[kind];
    const directories = [config.loaderDirectory, ...debianLoaderDirectories];
    const missing = files.filter((file) =>
      placesOfLoader(file, directories).every((place) => !fileExists(`${place.directory}/${place.file}`)),
    );
    if (missing.length === 0) return [];
    return [
      fail(name, `${missing.join(" and ")} is missing: machines with ${firmware} firmware cannot boot`, fix),
    ];
  });
  return [...others, ...ipxeChecks(config, fileExists)];
}

function ipxeChecks(config: Config, fileExists: HeadFacts["fileExists"]): readonly Check[] {
  return loaders.map(({ file, firmware, state, fix }) => {
    const path = `${config.loaderDirectory}/${file}`;
    if (fileExists(path)) return ok(`loader ${firmware}`, path);
    const detail = `${path} is missing: machines with ${firmware} firmware cannot boot`;
    return state(`loader ${firmware}`, detail, fix);
  });
}

const nfsNames: Readonly<Record<string, string>> = {
  kernel: "the kernel's",
  ganesha: "NFS-Ganesha",
  none: "your own, as nfs.backend says",
};

function nfsCheck({ nfs }: HeadFacts): Check {
  if ("backend" in nfs) return ok("nfs server", nfsNames[nfs.backend] ?? nfs.backend);
  return fail(
    "nfs server",
    nfs.problem.message,
    nfs.problem.hint ?? "apt-get install nfs-ganesha nfs-ganesha-vfs",
  );
}

function portChecks(config: Config, { ports, store }: HeadFacts): readonly Check[] {
  const head = "status" in store && store.status.running ? store.status : undefined;
  return ports.map(({ service, port, problem }) => {
    const name = `port ${port}`;
    if (problem === undefined) return ok(name, `free, for ${service}`);
    const part = head?.parts.find((candidate) => candidate.name === service);
    if (part?.state === "running") return ok(name, `held by the head for ${service}`);
    if (problem.message.startsWith("not allowed")) {
      return warn(name, `not looked at: ${problem.message}`, "sudo provision doctor");
    }
    return fail(
      name,
      problem.message,
      problem.hint ?? `stop what holds it, or change ports in ${config.file}`,
    );
  });
}

function otherServersCheck(config: Config, { otherServers }: HeadFacts): readonly Check[] {
  if (otherServers === undefined) return [];
  const name = "other DHCP servers";
  if (config.dhcp.mode === "proxy") return [addressGiverCheck(name, config.interface, otherServers)];
  if (otherServers.length === 0) return [ok(name, `none has answered on ${config.interface}`)];
  const detail = `${otherServers.join(", ")} gives out addresses on ${config.interface} too: nodes may take its answer`;
  return [fail(name, detail, `switch it off, or give the nodes a network of their own`)];
}

/** Beside another server, that one is needed: without it no machine gets an address. */
function addressGiverCheck(name: string, device: string, servers: readonly string[]): Check {
  if (servers.length > 0) return ok(name, `${servers.join(", ")} gives out addresses on ${device}`);
  const detail = `none has answered on ${device}, and the head gives out no addresses (dhcp.mode proxy)`;
  return warn(name, detail, "start it, or set dhcp.mode: server and a pool");
}

function spaceCheck(name: string, directory: string, needed: number, { freeBytes }: HeadFacts): Check {
  const free = freeBytes(directory);
  if (free === undefined)
    return warn(name, `the free space of ${directory} is unknown`, `ls -ld ${directory}`);
  const amount = (bytes: number): string => `${(bytes / gibi).toFixed(1)} GiB`;
  if (free >= needed) return ok(name, `${amount(free)} free in ${directory}`);
  const detail = `only ${amount(free)} free in ${directory}; ${amount(needed)} are wanted`;
  return warn(name, detail, `make room, or choose another directory`);
}

function storeChecks(config: Config, { store }: HeadFacts): readonly Check[] {
  if ("problem" in store) {
    const hint = (store.problem as Partial<AppError>).hint ?? "provision init";
    return [fail("database", messageOf(store.problem), hint)];
  }
  const { status, images } = store;
  const database = status.running
    ? ok("database", `open in the head, process ${status.pid}`)
    : ok("database", `sound, in ${config.stateDirectory}`);
  const failed = status.parts.filter((part) => part.state === "failed" || part.state === "backing-off");
  return [
    database,
    status.running
      ? ok("head", `running, process ${status.pid}`)
      : warn("head", "not running", "provision serve"),
    ...failed.map((part) => fail(`head: ${part.name}`, part.detail, "provision status")),
    imageCheck(config.image, images),
  ];
}

function imageCheck(wanted: string, images: readonly ImageVersion[]): Check {
  const found = images.find(({ name, version, current }) =>
    wanted.includes("@") ? wanted === `${name}@${version}` : wanted === name && current,
  );
  return found === undefined
    ? fail(
        "image",
        `${wanted} has not been built: nodes cannot boot it`,
        `provision build-image ${wanted.split("@")[0]}`,
      )
    : ok("image", `${found.name}@${found.version}`);
}
