import type { Hardware } from "../../agent/contract.ts";
import { BootStore } from "../../server/inventory/boot-store.ts";
import { openDatabase } from "../../server/inventory/database.ts";
import { LeaseStore } from "../../server/inventory/lease-store.ts";
import { NodeStore } from "../../server/inventory/node-store.ts";
import { SecretStore } from "../../server/inventory/secret-store.ts";
import type { Mac } from "../../server/lib/mac.ts";
import type { BootEvent } from "../../server/model/boot-event.ts";
import type { WrittenEvent } from "../../server/model/boot-record.ts";
import type { ClusterNode } from "../../server/model/node.ts";

const nodesAtOnce = 5000;

/**
 * Lets every node of an inventory have booted once and been shut down since: its lease, the events of the boot, its hardware,
 * its credential. A head that has run for a while has all of that to read and to hold.
 */
export async function writeHistory(stateDirectory: string, nowMs: number): Promise<void> {
  const database = await openDatabase(stateDirectory);
  try {
    const [boots, leases, secrets] = [
      new BootStore(database, { bootsKept: () => 1 }),
      new LeaseStore(database),
      new SecretStore(database),
    ];
    const { nodes } = await new NodeStore(database).load();
    for (let at = 0; at < nodes.length; at += nodesAtOnce) {
      const some = nodes.slice(at, at + nodesAtOnce);
      await boots.save({
        events: some.flatMap((node) => eventsOf(node, nowMs)),
        states: some.map(({ id }) => ({
          nodeId: id,
          phase: "down",
          phaseSinceMs: nowMs,
          bootId: id,
          lastHeartbeatMs: nowMs,
        })),
        hardware: some.map((node) => [node.id, hardwareOf(node)]),
        discovered: [],
        forgotten: [],
      });
      await leases.saveLeases(
        some.map(({ name, ip, macs: [mac = "" as Mac] }) => ({
          ip,
          mac,
          client: `mac:${mac}`,
          hostname: name,
          state: "bound",
          startedAtMs: nowMs,
          expiresAtMs: nowMs + 3_600_000,
        })),
      );
      await secrets.save(
        some.map(({ id, machineId }) => ({
          nodeId: id,
          bootNonce: machineId,
          credentialDigest: machineId.repeat(2),
        })),
      );
    }
  } finally {
    await database.close();
  }
}

function eventsOf({ id, ip, macs: [mac = "" as Mac] }: ClusterNode, atMs: number): WrittenEvent[] {
  const transfer = { file: "vmlinuz", bytes: 12_000_000, durationMs: 900, via: "http" } as const;
  const subject = { mac, nodeId: id, atMs };
  const events: BootEvent[] = [
    { kind: "offered", ...subject, ip, client: "firmware", firmware: "uefi-x64" },
    { kind: "loader", ...subject, ...transfer },
    { kind: "script", ...subject, bytes: 900, known: true },
    { kind: "kernel", ...subject, ...transfer },
    { kind: "initrd", ...subject, ...transfer },
    { kind: "overlay", ...subject, ...transfer },
    { kind: "starting", ...subject, uptimeSeconds: 9 },
    { kind: "root", ...subject, uptimeSeconds: 12 },
    { kind: "up", ...subject, uptimeSeconds: 20 },
    { kind: "stopping", ...subject },
  ];
  return events.map((event, index) => ({
    sequence: (id - 1) * events.length + index + 1,
    bootId: id,
    nodeId: id,
    event,
    begun: index === 0 ? { id, mac, nodeId: id, startedAtMs: atMs } : undefined,
  }));
}

/** A server with two sockets and four ports. */
function hardwareOf({ machineId, macs: [mac = "" as Mac] }: ClusterNode): Hardware {
  return {
    cpu: { model: "AMD EPYC 7543 32-Core Processor", sockets: 2, cores: 64, threads: 128, mhz: 2800 },
    memoryBytes: 2 ** 39,
    nics: [0, 1, 2, 3].map((port) => ({
      name: `enp3s0f${port}`,
      mac,
      driver: "i40e",
      pciAddress: `0000:03:00.${port}`,
      pciId: "8086:1572",
      port,
      linkUp: port < 2,
      speedMbps: 10_000,
    })),
    disks: [],
    kernel: "6.12.48+deb13-amd64",
    uuid: machineId.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
    vendor: "Dell Inc.",
    product: "PowerEdge R7525",
    firmware: "uefi",
  };
}
