import { formatSubnet, type Ipv4 } from "../lib/ipv4.ts";
import type { BootEvent } from "../model/boot-event.ts";
import { subjectOf } from "../model/boot-identity.ts";
import { saidOf } from "../model/identify.ts";
import { networkOf } from "../model/network.ts";
import type { ClusterNode } from "../model/node.ts";
import { type BootAnswer, bootAnswer, bootFileOf } from "./boot-answer.ts";
import { type DhcpRequest, firmwareOf } from "./client.ts";
import { rowOf } from "./option-table.ts";
import type { Context } from "./standing.ts";

/** Whose request is told of, and when it was made. */
export type Told = { request: DhcpRequest; node: ClusterNode | undefined; nowMs: number };

/** What was offered; `ip` is left out by a server that gives out none. */
export function offered(
  { request, node, nowMs }: Told,
  given: { ip?: Ipv4; network?: string; server?: Ipv4; answer?: BootAnswer },
): BootEvent {
  const { mac, client, vendorClass } = request;
  const { ip, network, server, answer } = given;
  const bootFile = answer === undefined ? undefined : bootFileOf(answer);
  return {
    kind: "offered",
    ...subjectOf(mac, node),
    atMs: nowMs,
    client: client.kind,
    firmware: firmwareOf(client),
    ...(ip === undefined ? {} : { ip }),
    ...(network === undefined ? {} : { network }),
    ...(server === undefined ? {} : { server }),
    ...(vendorClass === undefined ? {} : { vendorClass }),
    ...(bootFile === undefined ? {} : { bootFile }),
    ...saidOf(request),
  };
}

/** An address that was offered, and what is wrong with what is to be booted. */
export function offerEvents(context: Context, ip: Ipv4): BootEvent[] {
  const { request, node, view, link } = context;
  const answer = bootAnswer(request, node, view.site);
  const network = view.site.networks.length === 1 ? undefined : networkOf(ip, link);
  const given = { ip, answer, ...(network === undefined ? {} : { network: formatSubnet(network.subnet) }) };
  return [offered(context, given), ...loaderRefusals(context, answer)];
}

/** That there is no loader for a machine's firmware, where that is so. */
export function loaderRefusals(told: Told, answer: BootAnswer): BootEvent[] {
  if (answer.kind !== "no-loader") return [];
  return [refused(told, `there is no loader for ${answer.architecture.name} firmware`)];
}

/** Options that an administrator has set and a client of BOOTP has no room for. */
export function noRoomEvents(told: Told, codes: readonly number[]): BootEvent[] {
  if (codes.length === 0) return [];
  const names = codes.map((code) => rowOf(code)?.name ?? `option ${code}`).join(", ");
  return [refused(told, `its BOOTP request has no room for ${names}`)];
}

export function refused({ request, node, nowMs }: Told, message: string): BootEvent {
  return { kind: "refused", ...subjectOf(request.mac, node), atMs: nowMs, step: "offered", message };
}
