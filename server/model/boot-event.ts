import type { Ipv4 } from "../lib/ipv4.ts";
import type { Ipv6 } from "../lib/ipv6.ts";
import type { Mac } from "../lib/mac.ts";
import type { RelayPort, Uuid } from "./machine-identity.ts";

/** What a transfer cost. */
export type Transfer = {
  file: string;
  bytes: number;
  durationMs: number;
  via: "tftp" | "http";
};

/** Who asked by DHCP: the firmware's own PXE or HTTP client, an iPXE, or a running system. */
export type DhcpClientKind = "firmware" | "ipxe" | "system";

/** Whom an event is about: the port that asked, and whose it is when the inventory knows the machine by something else too. */
export type Subject = { mac: Mac; nodeId?: number };

/** All that the servers can observe of one machine's boot. Without a `nodeId` the tracker finds the node by the port. */
export type BootEvent = Subject & { atMs: number } & (
    | {
        kind: "offered";
        /** Absent: told what to boot beside another DHCP server, before that one's address was taken up. */
        ip?: Ipv4 | Ipv6;
        /** The DHCP server that the address is of, where that is not the head. */
        server?: Ipv4;
        /** Where the head has several, the one the address is of: `10.0.2.0/24`. */
        network?: string;
        client: DhcpClientKind;
        firmware: string;
        vendorClass?: string;
        bootFile?: string;
        uuid?: Uuid;
        relayPort?: RelayPort;
      }
    | ({ kind: "loader" } & Transfer)
    | { kind: "script"; bytes: number; known: boolean }
    /** As many machines load as may: it asks again until it is its turn. Told when it joins the line. */
    | { kind: "waiting"; before: number }
    | ({ kind: "kernel" } & Transfer)
    | ({ kind: "initrd" } & Transfer)
    | ({ kind: "overlay" } & Transfer)
    /** Phases the node reports of itself (agent/contract.ts). */
    | { kind: "starting"; uptimeSeconds?: number; message?: string }
    | { kind: "root"; uptimeSeconds?: number }
    | { kind: "up"; uptimeSeconds?: number }
    | { kind: "stopping" }
    | { kind: "failed"; message: string }
    /** No heartbeat for the limit. */
    | { kind: "lost"; silentMs: number }
    | { kind: "returned" }
    /** We could not give what was asked for: the step it would have been, and why. */
    | {
        kind: "refused";
        step: "offered" | "loader" | "script" | "kernel" | "initrd" | "overlay" | "credential";
        message: string;
      }
  );

export type BootEventKind = BootEvent["kind"];

/** How a server tells what it saw. Never throws, never waits. */
export type Record = (event: BootEvent) => void;
