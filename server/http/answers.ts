import type { Hardware, Load } from "../../agent/contract.ts";
import type { LoaderKind } from "../model/arch.ts";
import type { ImageVersion } from "../model/image.ts";
import type { Inherited } from "../model/inherited.ts";
import { optionNameAndText } from "../dhcp/option-text.ts";
import type {
  BriefNodeAnswer,
  DiscoveredAnswerMachine,
  EventAnswer,
  GroupAnswer,
  LeaseAnswer,
  NodeAnswer,
  OptionAnswer,
} from "../model/answers.ts";
import type { NodeState, RecordedEvent } from "../model/boot-record.ts";
import type { Directory } from "../model/directory.ts";
import { clientIdText, relayPortText } from "../model/machine-identity.ts";
import type { ClusterNode, DhcpOption, DiscoveredMachine, Group, Lease } from "../model/node.ts";
import { textOf } from "../tracker/event-text.ts";

/** What is shown of a node besides its settings. */
export type NodeFacts = {
  state: NodeState;
  load: Load | undefined;
  hardware: Hardware | undefined;
  plan: { reference: string; from: string; image?: ImageVersion };
  loader: Inherited<LoaderKind>;
};

/** A node as the API shows it: no secret of it is in here. */
export function nodeAnswer(
  node: ClusterNode,
  { state, load, hardware, plan, loader }: NodeFacts,
): NodeAnswer {
  return {
    name: node.name,
    macs: node.macs,
    ...(node.uuid === undefined ? {} : { uuid: node.uuid }),
    clientIds: (node.clientIds ?? []).map(clientIdText),
    ...(node.relayPort === undefined ? {} : { relayPort: relayPortText(node.relayPort) }),
    ip: node.ip,
    groups: node.groups,
    ...(node.image === undefined ? {} : { image: node.image }),
    effectiveImage: plan.image === undefined ? plan.reference : `${plan.image.name}@${plan.image.version}`,
    imageFrom: plan.from,
    ...(node.loader === undefined ? {} : { loader: node.loader }),
    effectiveLoader: loader.value,
    loaderFrom: loader.from,
    kernelArguments: node.kernelArguments,
    options: optionAnswers(node.options),
    phase: state.phase,
    ...(state.phase === "new" ? {} : { phaseSinceMs: state.phaseSinceMs }),
    ...(state.lastHeartbeatMs === undefined ? {} : { lastHeartbeatMs: state.lastHeartbeatMs }),
    ...(hardware === undefined ? {} : { hardware }),
    ...(load === undefined || state.phase !== "up" ? {} : { load }),
    sshHostKey: node.sshPublicKey.trim(),
    machineId: node.machineId,
    addedAtMs: node.addedAtMs,
  };
}

export function briefNodeAnswer(node: NodeAnswer): BriefNodeAnswer {
  const { name, macs, ip, groups, effectiveImage, phase, lastHeartbeatMs, hardware } = node;
  const brief: BriefNodeAnswer = { name, macs, ip, groups, effectiveImage, phase };
  if (lastHeartbeatMs !== undefined) brief.lastHeartbeatMs = lastHeartbeatMs;
  if (hardware !== undefined) {
    const { cpu, memoryBytes, nics } = hardware;
    brief.hardware = {
      cpu: { model: cpu.model, threads: cpu.threads },
      memoryBytes,
      nics: nics.map((nic) => ({ name: nic.name, linkUp: nic.linkUp })),
    };
  }
  return brief;
}

export function groupAnswer({ options, ...group }: Group): GroupAnswer {
  return { ...group, options: optionAnswers(options) };
}

function optionAnswers(options: readonly DhcpOption[] = []): OptionAnswer[] {
  return options.map((option) => ({ code: option.code, ...optionNameAndText(option) }));
}

export function machineAnswer({ relayPort, ...machine }: DiscoveredMachine): DiscoveredAnswerMachine {
  return { ...machine, ...(relayPort === undefined ? {} : { relayPort: relayPortText(relayPort) }) };
}

export function leaseAnswers(leases: readonly Lease[], directory: Directory, nowMs: number): LeaseAnswer[] {
  return leases.map((lease) => {
    // Of a machine that is known by something else than its port, the address tells.
    const node = directory.byMac(lease.mac) ?? directory.byIp(lease.ip);
    return {
      ...lease,
      ...(node === undefined ? {} : { node: node.name }),
      origin: node?.ip === lease.ip ? "reserved" : "pool",
      expired: lease.expiresAtMs <= nowMs,
    };
  });
}

export function eventAnswer(recorded: RecordedEvent, directory: Directory): EventAnswer {
  const { nodeId, ...event } = recorded.event;
  const node = nodeId === undefined ? directory.byMac(event.mac) : directory.byId(nodeId);
  return {
    ...event,
    sequence: recorded.sequence,
    boot: recorded.bootId,
    ...(node === undefined ? {} : { node: node.name }),
    text: textOf(recorded.event),
  };
}
