import { accessSync, closeSync, constants, existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import { readMachineNetwork } from "../config/machine.ts";
import { AppError, messageOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { deviceTcpListener, deviceUdpSocket } from "../net/device-socket.ts";
import type { HeadFacts, PortFact } from "./head-checks.ts";
import type { MachineFacts } from "./machine-checks.ts";

/** The machine as it is. `searchPath`: directories of programs, with colons. */
export function readMachineFacts(searchPath: string): MachineFacts {
  return {
    nodeVersion: process.versions.node,
    processStatus: readFileSync("/proc/self/status", "utf8"),
    program: (name) => programIn(searchPath, name),
  };
}

/** What the head will meet; ports are taken for a moment, as the head would take them. */
export async function readHeadFacts(
  config: Config,
  others: Pick<HeadFacts, "nfs" | "store" | "otherServers">,
): Promise<HeadFacts> {
  return {
    ...others,
    network: readMachineNetwork(),
    fileExists: existsSync,
    freeBytes,
    ports: await Promise.all(portsOf(config).map((port) => tryPort(config, port))),
  };
}

type Port = { service: string; port: number; transport: "udp" | "tcp"; address: Ipv4 };

function portsOf({ ports, address, dhcp }: Config): readonly Port[] {
  const any = "0.0.0.0" as Ipv4;
  return [
    {
      service: dhcp.mode === "proxy" ? "proxy-dhcp" : "dhcp",
      port: ports.dhcp,
      transport: "udp",
      address: any,
    },
    { service: "proxy-dhcp", port: ports.bootServer, transport: "udp", address: any },
    { service: "tftp", port: ports.tftp, transport: "udp", address },
    { service: "http", port: ports.http, transport: "tcp", address },
    { service: "nfs", port: ports.nfs, transport: "tcp", address },
  ];
}

async function tryPort(config: Config, { service, port, transport, address }: Port): Promise<PortFact> {
  const place = { device: config.interface, address, port };
  try {
    if (transport === "tcp") closeSync(deviceTcpListener(place).fd);
    else {
      const socket = await deviceUdpSocket(place);
      await new Promise<void>((resolve) => {
        socket.close(resolve);
      });
    }
    return { service, port };
  } catch (error) {
    const problem = error instanceof AppError ? error : new AppError("environment", messageOf(error));
    return { service, port, problem };
  }
}

/** Of the directory, or of the nearest one above it that exists. */
function freeBytes(directory: string): number | undefined {
  for (let place = directory; ; place = dirname(place)) {
    try {
      const { bavail, bsize } = statfsSync(place);
      return bavail * bsize;
    } catch {
      if (place === "/") return undefined;
    }
  }
}

function programIn(searchPath: string, name: string): string | undefined {
  return searchPath
    .split(":")
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
