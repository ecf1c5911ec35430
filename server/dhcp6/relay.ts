import { encode6 } from "./codec.ts";
import { type Message6, type Option6, optionCodes, type Packet6, type Relay6 } from "./packet.ts";

/** The answer in the envelopes of the relays it has to go back through, the one next to us outermost (RFC 8415 section 19.3). */
export function throughRelays(message: Message6, relays: readonly Relay6[]): Packet6 {
  return relays.reduceRight<Packet6>((inner, relay) => {
    const echoed: readonly Option6[] = relay.options.filter(({ code }) => code === optionCodes.interfaceId);
    const carried: Option6 = { code: optionCodes.relayMessage, value: encode6(inner) };
    const { hops, link, peer } = relay;
    return { type: "RELAY-REPL", hops, link, peer, options: [...echoed, carried] };
  }, message);
}
