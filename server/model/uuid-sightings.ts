import type { Mac } from "../lib/mac.ts";
import { isSameUuid, type Uuid } from "./machine-identity.ts";

/** Two machines that are on at the same time ask within this; a port moved to another machine takes longer. */
const aliveMs = 600_000;
/** Bound on what is remembered; the longest ago go first. */
const portsKept = 200_000;

type Sighting = { uuid: Uuid; atMs: number };

/** With which UUIDs each port asked lately. A port that asks with two of two live machines is a MAC address that exists twice. */
export class UuidSightings {
  /** The last two of each port, the newest first. */
  readonly #byMac = new Map<Mac, readonly Sighting[]>();

  note(mac: Mac, uuid: Uuid, atMs: number): void {
    const earlier = this.#byMac.get(mac)?.find((sighting) => !isSameUuid(sighting.uuid, uuid));
    this.#byMac.delete(mac);
    this.#byMac.set(mac, [{ uuid, atMs }, ...(earlier === undefined ? [] : [earlier])]);
    if (this.#byMac.size <= portsKept) return;
    for (const oldest of this.#byMac.keys()) {
      this.#byMac.delete(oldest);
      break;
    }
  }

  /** The UUID of another machine that asked by this port a moment ago. */
  otherOf(mac: Mac, uuid: Uuid, nowMs: number): Uuid | undefined {
    return this.#byMac
      .get(mac)
      ?.find((sighting) => nowMs - sighting.atMs < aliveMs && !isSameUuid(sighting.uuid, uuid))?.uuid;
  }
}
