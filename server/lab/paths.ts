import { AppError } from "../lib/errors.ts";

/** Where a lab keeps its things. Everything it makes is below `directory`, below `exported`, or inside `namespace`. */
export type LabPaths = {
  /** Empty for the lab that has no name. */
  name: string;
  /** Network namespace, as in `ip netns list`. */
  namespace: string;
  directory: string;
  /** What runs (state.ts). */
  state: string;
  /** The head's configuration, socket and log. */
  config: string;
  socket: string;
  headLog: string;
  headState: string;
  /** On a disk, where `directory` often is not: NFS-Ganesha exports no tmpfs. */
  exported: string;
  /** The nodes' /shared. */
  shared: string;
  /** Private key that every node lets in; `<key>.pub` beside it. */
  key: string;
  knownHosts: string;
};

const base = "provision-lab";

/** @throws AppError("invalid") when the name cannot be part of a file's and a namespace's name */
export function labPaths(name: string): LabPaths {
  if (name !== "" && !/^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$/.test(name)) {
    throw new AppError("invalid", "a lab cannot be called so", {
      faults: [
        {
          place: "--name",
          message: `${JSON.stringify(name)}: expected 1 to 20 of a-z, 0-9 and inner hyphens`,
        },
      ],
    });
  }
  const full = name === "" ? base : `${base}-${name}`;
  const directory = `/run/${full}`;
  return {
    name,
    namespace: full,
    directory,
    state: `${directory}/state.json`,
    config: `${directory}/provision.yaml`,
    socket: `${directory}/api.sock`,
    headLog: `${directory}/head.log`,
    headState: `${directory}/state`,
    exported: `/var/lib/provision/${full}`,
    shared: `/var/lib/provision/${full}/shared`,
    key: `${directory}/key`,
    knownHosts: `${directory}/known_hosts`,
  };
}

/** Files of one machine. */
export type MachinePaths = {
  /** Everything the machine wrote to its serial port. */
  consoleLog: string;
  /** Unix socket of the serial port, for one reader at a time. */
  console: string;
  /** Unix socket of QEMU's control protocol. */
  control: string;
  /** What QEMU itself said. */
  log: string;
  /** UEFI variables. */
  variables: string;
};

export function machinePaths(paths: LabPaths, machine: string): MachinePaths {
  const file = (suffix: string): string => `${paths.directory}/${machine}.${suffix}`;
  return {
    consoleLog: file("console.log"),
    console: file("tty"),
    control: file("qmp"),
    log: file("qemu.log"),
    variables: file("variables.fd"),
  };
}

/** How to call this lab in command lines that are shown to people: ` --name NAME`, or nothing. */
export function nameFlag(paths: LabPaths): string {
  return paths.name === "" ? "" : ` --name ${paths.name}`;
}
