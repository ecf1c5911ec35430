import type { Ipv4 } from "../lib/ipv4.ts";
import type { BootEvent } from "../model/boot-event.ts";
import { subjectOf } from "../model/boot-identity.ts";
import type { ClusterNode } from "../model/node.ts";
import { type BootAnswer, bootFileOf } from "./boot-answer.ts";
import { type DhcpRequest, firmwareOf } from "./client.ts";

/** Whose request is told of, and when it was made. */
export type Told = { request: DhcpRequest; node: ClusterNode | undefined; nowMs: number };

/** What was offered; `ip` is left out by a server that gives out none. */
export function offered(
  { request, node, nowMs }: Told,
  given: { ip?: Ipv4; server?: Ipv4; answer?: BootAnswer },
): BootEvent {
  const { mac, client, vendorClass } = request;
  const { ip, server, answer } = given;
  const bootFile = answer === undefined ? undefined : bootFileOf(answer);
  return {
    kind: "offered",
    ...subjectOf(mac, node),
    atMs: nowMs,
    client: client.kind,
    firmware: firmwareOf(client),
    ...(ip === undefined ? {} : { ip }),
    ...(server === undefined ? {} : { server }),
    ...(vendorClass === undefined ? {} : { vendorClass }),
    ...(bootFile === undefined ? {} : { bootFile }),
  };
}

/** That there is no loader for a machine's firmware, where that is so. */
export function loaderRefusals(told: Told, answer: BootAnswer): BootEvent[] {
  if (answer.kind !== "no-loader") return [];
  return [refused(told, `there is no loader for ${answer.architecture.name} firmware`)];
}

export function refused({ request, node, nowMs }: Told, message: string): BootEvent {
  return { kind: "refused", ...subjectOf(request.mac, node), atMs: nowMs, step: "offered", message };
}
