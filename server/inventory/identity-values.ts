import {
  type ClientId,
  clientIdText,
  nextRelayPort,
  parseClientId,
  parseRelayPort,
  parseUuid,
  type RelayPort,
  relayPortText,
  type Uuid,
} from "../model/machine-identity.ts";
import type { ClusterNode } from "../model/node.ts";
import { type Faults, spread } from "./node-values.ts";

/** By what nodes are known besides their ports; the texts of flags, as `AddNodesRequest` has them. */
export type IdentityFlags = { uuid?: string; clientIds?: readonly string[]; relayPort?: string };

type Identity = Pick<ClusterNode, "uuid" | "clientIds" | "relayPort">;

/** The identity of each of `names` as the flags have it; what a flag does not name is not in it, empty text takes away. */
export function spreadIdentities(
  { uuid, clientIds, relayPort }: IdentityFlags,
  names: readonly string[],
  faults: Faults,
): ((before: Identity) => Identity)[] {
  const uuids = column(uuid, () => spread<Uuid>("--uuid", uuid ?? "", names, faults, uuidReader));
  const ports = column(relayPort, () =>
    spread<RelayPort>("--relay-port", relayPort ?? "", names, faults, relayPortReader),
  );
  const ids = clientIds?.map((text) => spread<ClientId>("--client-id", text, names, faults, clientIdReader));
  return names.map((_, index) => (before) => {
    const after = {
      uuid: uuids === undefined ? before.uuid : uuids[index],
      clientIds: ids === undefined ? before.clientIds : ids.flatMap((each) => each?.[index] ?? []),
      relayPort: ports === undefined ? before.relayPort : ports[index],
    };
    return identityOf(after);
  });
}

/** Without what is not set. */
function identityOf(given: {
  uuid: Uuid | undefined;
  clientIds: readonly ClientId[] | undefined;
  relayPort: RelayPort | undefined;
}): Identity {
  const { uuid, clientIds = [], relayPort } = given;
  return {
    ...(uuid === undefined ? {} : { uuid }),
    ...(clientIds.length === 0 ? {} : { clientIds: [...new Set(clientIds)] }),
    ...(relayPort === undefined ? {} : { relayPort }),
  };
}

/** What a node is known by besides its ports, for people: `UUID …`, `client identifier …`, `relay port …`. */
export function identifiersOf({ uuid, clientIds = [], relayPort }: Identity): {
  kind: string;
  value: string;
}[] {
  return [
    ...(uuid === undefined ? [] : [{ kind: "UUID", value: uuid }]),
    ...clientIds.map((id) => ({ kind: "client identifier", value: clientIdText(id) })),
    ...(relayPort === undefined ? [] : [{ kind: "relay port", value: relayPortText(relayPort) }]),
  ];
}

/** Undefined: the flag was not given. Empty: it takes the value away from all. */
function column<T>(text: string | undefined, read: () => T[] | undefined): readonly T[] | undefined {
  if (text === undefined) return undefined;
  return text === "" ? [] : (read() ?? []);
}

const uuidReader = { parse: parseUuid, expected: "a UUID as dmidecode prints it" };
const clientIdReader = {
  parse: parseClientId,
  expected: "a client identifier such as 01:52:54:00:aa:00:01 or text:rack1-node1",
};
const relayPortReader = {
  parse: parseRelayPort,
  next: nextRelayPort,
  expected: "REMOTE/CIRCUIT, each as text or hex:…",
};
