import type { Hardware, Load } from "../../agent/contract.ts";
import type { ImageVersion } from "../model/image.ts";
import type { EventAnswer, LeaseAnswer, NodeAnswer } from "../model/answers.ts";
import type { NodeState, RecordedEvent } from "../model/boot-record.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode, Lease } from "../model/node.ts";
import { textOf } from "../tracker/event-text.ts";

/** What is shown of a node besides its settings. */
export type NodeFacts = {
  state: NodeState;
  load: Load | undefined;
  hardware: Hardware | undefined;
  plan: { reference: string; image?: ImageVersion };
};

/** A node as the API shows it: no secret of it is in here. */
export function nodeAnswer(node: ClusterNode, { state, load, hardware, plan }: NodeFacts): NodeAnswer {
  return {
    name: node.name,
    macs: node.macs,
    ip: node.ip,
    groups: node.groups,
    ...(node.image === undefined ? {} : { image: node.image }),
    effectiveImage: plan.image === undefined ? plan.reference : `${plan.image.name}@${plan.image.version}`,
    kernelArguments: node.kernelArguments,
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
