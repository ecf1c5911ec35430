import { isLinkLocal, type Ipv6 } from "../lib/ipv6.ts";
import { type RelayPort, relayPortOf } from "../model/machine-identity.ts";
import { encode6 } from "./codec.ts";
import { find6, type Message6, type Option6, optionCodes, type Packet6, type Relay6 } from "./packet.ts";

/** Enterprise number before a remote id (RFC 4649 section 3). */
const enterpriseBytes = 4;

/** The link that the client is on, as the relay nearest to it says that can: a switch (RFC 6221) has no address there. */
export function linkOfRelays(relays: readonly Relay6[]): Ipv6 | undefined {
  return relays.findLast(({ link }) => link !== "::" && !isLinkLocal(link))?.link;
}

/**
 * The port that the client is on, as the relay nearest to it names it: interface id for circuit id, and for a switch that gives no
 * remote id the address of its link, as by DHCP.
 */
export function portOfRelays(relays: readonly Relay6[]): RelayPort | undefined {
  const at = relays.findLastIndex(
    ({ options }) => (find6(options, optionCodes.interfaceId)?.length ?? 0) > 0,
  );
  const relay = relays[at];
  const port = relay && find6(relay.options, optionCodes.interfaceId);
  if (relay === undefined || port === undefined) return undefined;
  const remote = find6(relay.options, optionCodes.remoteId)?.subarray(enterpriseBytes);
  const named = remote !== undefined && remote.length > 0;
  const link = linkOfRelays(relays.slice(0, at + 1));
  if (!named && link === undefined) return undefined;
  return relayPortOf(named ? remote : Buffer.from(link ?? ""), port);
}

/** The answer in the envelopes of the relays it has to go back through, the one next to us outermost (RFC 8415 section 19.3). */
export function throughRelays(message: Message6, relays: readonly Relay6[]): Packet6 {
  return relays.reduceRight<Packet6>((inner, relay) => {
    const echoed: readonly Option6[] = relay.options.filter(({ code }) => code === optionCodes.interfaceId);
    const carried: Option6 = { code: optionCodes.relayMessage, value: encode6(inner) };
    const { hops, link, peer } = relay;
    return { type: "RELAY-REPL", hops, link, peer, options: [...echoed, carried] };
  }, message);
}
