import { DecodeError } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { option, readOption } from "./option-table.ts";
import * as values from "./option-values.ts";
import type { DhcpPacket } from "./packet.ts";

/** What a relay agent says of where it heard the client (option 82). */
export type RelayAgent = {
  /** An address of the client's link, where the relay's own is not (RFC 3527). */
  linkSelection: Ipv4 | undefined;
  /** The port the client is on, as its switch names it (RFC 3046 section 3.1). */
  circuitId: Uint8Array | undefined;
  /** The switch (RFC 3046 section 3.2). */
  remoteId: Uint8Array | undefined;
};

const circuitIdCode = 1;
const remoteIdCode = 2;
const linkSelectionCode = 5;

/** Never throws: a relay that writes nonsense into its option has still told us where to answer. */
export function readRelayAgent(packet: DhcpPacket): RelayAgent {
  const found = tolerant(() => readOption(packet.options, option.relayAgent));
  const link = found?.get(linkSelectionCode);
  return {
    linkSelection: link === undefined ? undefined : tolerant(() => values.ipv4.decode(link)),
    circuitId: found?.get(circuitIdCode),
    remoteId: found?.get(remoteIdCode),
  };
}

function tolerant<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
