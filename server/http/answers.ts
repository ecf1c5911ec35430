import type { ImageVersion } from "../model/image.ts";
import type { EventAnswer, LeaseAnswer, NodeAnswer } from "../model/answers.ts";
import type { RecordedEvent } from "../model/boot-record.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode, Lease } from "../model/node.ts";
import { textOf } from "../tracker/event-text.ts";
import type { Tracker } from "../tracker/tracker.ts";

/** A node as the API shows it: no secret of it is in here. */
export function nodeAnswer(
  node: ClusterNode,
  tracker: Tracker,
  plan: { reference: string; image?: ImageVersion },
): NodeAnswer {
  const state = tracker.stateOf(node);
  const load = tracker.loadOf(node);
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
    ...(state.hardware === undefined ? {} : { hardware: state.hardware }),
    ...(load === undefined || state.phase !== "up" ? {} : { load }),
    sshHostKey: node.sshHostKey.publicKey.trim(),
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
