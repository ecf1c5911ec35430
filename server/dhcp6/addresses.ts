import { createHash } from "node:crypto";
import { type Ipv6, type Ipv6Prefix, ipv6FromBytes, ipv6ToBytes } from "../lib/ipv6.ts";
import { type Mac, macToBytes } from "../lib/mac.ts";

/** Which of a port's addresses; one that somebody else uses is passed over for the next. */
const candidates = 4;

/**
 * A port's address: the network, a number from 1 on, and its MAC. 64 bits have room for every MAC there is, so nothing is
 * leased and nothing can be lost or given twice; firmware, iPXE and the system of one machine get the same one. A client
 * that shows no MAC is taken by a digest of its DUID, which lies elsewhere.
 */
export function addressFor(
  prefix: Ipv6Prefix,
  client: { mac: Mac | undefined; duid: Uint8Array },
  isFree: (ip: Ipv6) => boolean,
): Ipv6 | undefined {
  const bytes = ipv6ToBytes(prefix.base);
  const place = client.mac === undefined ? 0x8000 : 0;
  bytes.set(client.mac === undefined ? digest(client.duid) : macToBytes(client.mac), 10);
  for (let number = 1; number <= candidates; number += 1) {
    bytes[8] = (place + number) >> 8;
    bytes[9] = (place + number) & 0xff;
    const ip = ipv6FromBytes(bytes);
    if (isFree(ip)) return ip;
  }
  return undefined;
}

function digest(duid: Uint8Array): Uint8Array {
  return createHash("sha256").update(duid).digest().subarray(0, 6);
}
