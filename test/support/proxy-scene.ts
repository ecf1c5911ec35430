import { type DhcpRequest, readRequest } from "../../server/dhcp/client.ts";
import { decode } from "../../server/dhcp/decode.ts";
import { encode, replyLimit } from "../../server/dhcp/encode.ts";
import type { DhcpPacket } from "../../server/dhcp/packet.ts";
import {
  type ProxyDecision,
  type ProxyView,
  decideBootServer,
  decideProxy,
} from "../../server/dhcp/proxy.ts";
import type { ClusterNode } from "../../server/model/node.ts";
import { directoryOf, siteOf } from "./dhcp-scene.ts";

/** A decision with the reply as a client would read it off the wire. */
export type ProxyOutcome = ProxyDecision & { wire?: DhcpPacket };

/** Plays packets against the decisions of a head beside another DHCP server. Every packet goes over the wire's bytes. */
export class ProxyScene {
  readonly nodes: ClusterNode[] = [];
  readonly view: ProxyView;

  constructor(site: Partial<ProxyView["site"]> = {}) {
    this.view = { site: { ...siteOf(), ...site }, directory: directoryOf(this.nodes) };
  }

  /** To port 67. */
  send(packet: DhcpPacket | Uint8Array): ProxyOutcome {
    const request = requestOf(packet);
    return outcome(decideProxy(request, this.view, 0), request);
  }

  /** To port 4011. */
  ask(packet: DhcpPacket | Uint8Array): ProxyOutcome {
    const request = requestOf(packet);
    return outcome(decideBootServer(request, this.view, 0), request);
  }
}

function requestOf(packet: DhcpPacket | Uint8Array): DhcpRequest {
  const reading = readRequest(decode(packet instanceof Uint8Array ? packet : encode(packet).bytes));
  if (reading.kind === "ignore") throw new Error(`no request: ${reading.reason}`);
  return reading.request;
}

function outcome(decision: ProxyDecision, request: DhcpRequest): ProxyOutcome {
  if (decision.kind === "ignore") return decision;
  return {
    ...decision,
    wire: decode(encode(decision.packet, replyLimit(request.maxMessageBytes)).bytes),
  };
}
