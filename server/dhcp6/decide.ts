import { assertNever } from "../lib/assert.ts";
import { type Ipv6, prefixOf } from "../lib/ipv6.ts";
import type { Mac } from "../lib/mac.ts";
import { type BootEvent, type DhcpClientKind } from "../model/boot-event.ts";
import { subjectOf } from "../model/boot-identity.ts";
import { conflictEvents, identify, saidOf } from "../model/identify.ts";
import type { ClusterNode } from "../model/node.ts";
import { addressFor } from "./addresses.ts";
import { bootAnswer6, bootOptions6 } from "./boot-answer.ts";
import type { Request6 } from "./client.ts";
import {
  associationOption,
  dnsOption,
  domainListOption,
  refusedAssociation,
  statusOption,
} from "./option-values.ts";
import { find6, type Message6, type Option6, optionCodes, statusCodes } from "./packet.ts";
import { linkOfRelays } from "./relay.ts";
import type { View6 } from "./site.ts";

/** Why a request gets no answer; these are counter names too. */
export type IgnoreReason6 =
  | "foreign-relay" // forwarded from a network that is not ours
  | "other-server" // the client chose another server
  | "server-id" // names a server where it must not (RFC 8415 section 16)
  | "no-client-id"
  | "conflict" // what it says of itself points to several nodes, or its MAC is on two machines
  | "unknown-machine" // not in the inventory, and the configuration says to ignore those
  | "server-message"; // what only servers send

export type Decision6 =
  | {
      kind: "reply";
      message: Message6;
      events: readonly BootEvent[];
      /** Addresses that the client found in use. */
      declined: readonly Ipv6[];
    }
  | { kind: "ignore"; reason: IgnoreReason6; events: readonly BootEvent[] };

type Context = { request: Request6; view: View6; nowMs: number; node: ClusterNode | undefined };

/** The client takes the first answer with the highest preference without waiting for others (RFC 8415 section 18.2.1). */
const highestPreference = 255;

/** Decides one request; changes nothing, and never throws. */
export function decide6(request: Request6, view: View6, nowMs: number): Decision6 {
  const refused = unanswerable(request, view);
  if (refused !== undefined) return ignore(refused);
  const identity = identify(request, view, nowMs);
  if (identity.kind === "conflict") {
    // Once an attempt, as offers are told.
    const { type } = request.message;
    const begins = type === "SOLICIT" || type === "INFORMATION-REQUEST";
    return ignore("conflict", begins ? conflictEvents(request.mac, identity, nowMs) : []);
  }
  const node = identity.kind === "node" ? identity.node : undefined;
  const context: Context = { request, view, nowMs, node };
  if (node === undefined && view.site.unknownMachines === "ignore") return ignore("unknown-machine");
  switch (request.message.type) {
    case "SOLICIT": {
      return reply(
        context,
        "ADVERTISE",
        [...granted(context), ...parameters(context), preference()],
        offered(context),
      );
    }
    case "REQUEST":
    case "RENEW":
    case "REBIND": {
      return reply(context, "REPLY", [...granted(context), ...parameters(context)]);
    }
    case "INFORMATION-REQUEST": {
      return reply(context, "REPLY", parameters(context), offered(context));
    }
    case "CONFIRM": {
      return reply(context, "REPLY", [confirmation(context)]);
    }
    case "RELEASE":
    case "DECLINE": {
      return givenBack(context);
    }
    case "ADVERTISE":
    case "REPLY":
    case "RECONFIGURE": {
      return ignore("server-message");
    }
  }
  return assertNever(request.message.type);
}

function ignore(reason: IgnoreReason6, events: readonly BootEvent[] = []): Decision6 {
  return { kind: "ignore", reason, events };
}

/** What must be so before a message is looked at (RFC 8415 section 16). */
function unanswerable({ message, relays, duid }: Request6, { site }: View6): IgnoreReason6 | undefined {
  const link = linkOfRelays(relays);
  if (link !== undefined && prefixOf(link).base !== site.prefix.base) return "foreign-relay";
  const server = find6(message.options, optionCodes.serverId);
  const ours = server !== undefined && Buffer.compare(server, site.duid) === 0;
  switch (message.type) {
    case "SOLICIT":
    case "CONFIRM":
    case "REBIND": {
      if (server !== undefined) return "server-id";
      break;
    }
    case "REQUEST":
    case "RENEW":
    case "RELEASE":
    case "DECLINE": {
      if (!ours) return "other-server";
      break;
    }
    case "INFORMATION-REQUEST": {
      return server === undefined || ours ? undefined : "other-server";
    }
    case "ADVERTISE":
    case "REPLY":
    case "RECONFIGURE": {
      return "server-message";
    }
  }
  return duid === undefined ? "no-client-id" : undefined;
}

function reply(
  { request, view }: Context,
  type: "ADVERTISE" | "REPLY",
  options: readonly Option6[],
  events: readonly BootEvent[] = [],
  declined: readonly Ipv6[] = [],
): Decision6 {
  const { transactionId } = request.message;
  const own: Option6[] = [{ code: optionCodes.serverId, value: view.site.duid }];
  if (request.duid !== undefined) own.unshift({ code: optionCodes.clientId, value: request.duid });
  return { kind: "reply", message: { type, transactionId, options: [...own, ...options] }, events, declined };
}

/** One address: for the first association. A port has no use for two, and firmware asks for one. */
function granted(context: Context): Option6[] {
  const [first, ...others] = context.request.associations;
  const { view } = context;
  const ip = ownAddress(context);
  const none = (iaid: number): Option6 =>
    refusedAssociation(iaid, statusCodes.noAddresses, "one address a port");
  return [
    ...(first === undefined
      ? []
      : [ip === undefined ? none(first.iaid) : associationOption(first.iaid, ip, view.site.leaseSeconds)]),
    ...others.map(({ iaid }) => none(iaid)),
  ];
}

function ownAddress({ request, view, nowMs }: Context): Ipv6 | undefined {
  const client = { mac: request.mac, duid: request.duid ?? new Uint8Array() };
  return addressFor(view.site.prefix, client, (ip) => !view.isDeclined(ip, nowMs));
}

function parameters(context: Context): Option6[] {
  const { site } = context.view;
  return [
    ...bootOptions6(answerOf(context), context.request.client),
    ...(site.dns.length === 0 ? [] : [dnsOption(site.dns)]),
    domainListOption([site.domain]),
  ];
}

function preference(): Option6 {
  return { code: optionCodes.preference, value: Uint8Array.of(highestPreference) };
}

/** Whether the addresses a client brings along belong to this link (RFC 8415 section 18.3.3). */
function confirmation({ request, view }: Context): Option6 {
  const asked = request.associations.flatMap(({ addresses }) => addresses);
  const onLink = asked.every((ip) => prefixOf(ip).base === view.site.prefix.base);
  return onLink
    ? statusOption(statusCodes.success, "all of them are of this link")
    : statusOption(statusCodes.notOnLink, "an address of another link");
}

/** RELEASE and DECLINE are answered, or the client repeats them (RFC 8415 sections 18.3.7 and 18.3.8). */
function givenBack(context: Context): Decision6 {
  const { request } = context;
  const options = [statusOption(statusCodes.success, "noted")];
  if (request.message.type === "RELEASE") return reply(context, "REPLY", options);
  const own = ownAddress(context);
  const declined = request.associations.flatMap(({ addresses }) => addresses.filter((ip) => ip === own));
  const events = declined.flatMap((ip) => refusal(context, `${ip} is in use by another machine`));
  return reply(context, "REPLY", options, events, declined);
}

function answerOf({ request, view, node }: Context): ReturnType<typeof bootAnswer6> {
  return bootAnswer6(request, node, view.site);
}

function offered(context: Context): BootEvent[] {
  const { request, nowMs, node } = context;
  const ip = ownAddress(context);
  const mac = portOf(context);
  if (mac === undefined || ip === undefined) return [];
  const answer = answerOf(context);
  const { vendorClass, client } = request;
  const kind: DhcpClientKind = client.kind;
  const event: BootEvent = {
    kind: "offered",
    ...subjectOf(mac, node),
    atMs: nowMs,
    ip,
    client: kind,
    firmware: client.kind === "system" ? "unknown" : client.architecture.name,
    ...(vendorClass === undefined ? {} : { vendorClass }),
    ...(answer.kind === "url" ? { bootFile: answer.url } : {}),
    ...saidOf(request),
  };
  return answer.kind === "no-loader"
    ? [event, ...refusal(context, `there is no loader for ${answer.architecture.name} firmware`)]
    : [event];
}

function refusal(context: Context, message: string): BootEvent[] {
  const { nowMs, node } = context;
  const mac = portOf(context);
  if (mac === undefined) return [];
  return [{ kind: "refused", ...subjectOf(mac, node), atMs: nowMs, step: "offered", message }];
}

/** By which port it goes in events and paths: one of its node's, when it shows none. */
function portOf({ request, node }: Context): Mac | undefined {
  return request.mac ?? node?.macs[0];
}
