import type { WhyAnswer } from "../model/answers.ts";
import type { BootEvent } from "../model/boot-event.ts";
import type { HeadFault } from "../model/head-fault.ts";
import type { ClusterNode, DiscoveredMachine } from "../model/node.ts";
import { type Phase, stepIndex } from "../model/phase.ts";
import { lastEventOf, stepsOf } from "./boot-steps.ts";
import { textOf, turnText } from "./event-text.ts";
import { likelyCause } from "./likely-cause.ts";

/** All that `provision why` looks at. */
export type Case = {
  subject: string;
  node?: ClusterNode;
  machine?: DiscoveredMachine;
  phase: Phase;
  phaseSinceMs: number;
  lastHeartbeatMs?: number;
  /** Machines that load before it may, when it waits for its turn. */
  before?: number;
  /** Of the last boot, oldest first. */
  events: readonly BootEvent[];
  /** What is wrong on the head right now that would stop this node, one sentence each, the likeliest first. */
  headFaults: readonly HeadFault[];
  /** Machines that ask for a boot and are nobody's. */
  unknownMachines: readonly DiscoveredMachine[];
  headRuns: boolean;
  nowMs: number;
};

/** Silence after a step that is longer than slow firmware or an emulated processor explains, in milliseconds. */
const patienceMs: Readonly<Record<string, number>> = {
  offered: 30_000,
  loader: 30_000,
  script: 30_000,
  kernel: 60_000,
  initrd: 60_000,
  overlay: 120_000,
  starting: 60_000,
  root: 180_000,
};

type Verdict = { summary: string; findings: string[]; tryNext: string[]; stuck: boolean };

/** Says in words what the last boot did, where it stands or where it stopped, and what to try. */
export function diagnose(given: Case): WhyAnswer {
  const verdict = verdictOn(given);
  const faults =
    given.phase === "up" ? [] : given.headFaults.filter((fault) => !verdict.findings.includes(fault.message));
  return {
    subject: given.subject,
    phase: given.phase,
    summary: verdict.summary,
    steps: given.events.length === 0 ? [] : stepsOf(given.events, given.phase, verdict.stuck),
    findings: [...verdict.findings, ...otherAddress(given), ...faults.map((fault) => fault.message)],
    tryNext: [...new Set([...verdict.tryNext, ...faults.map((fault) => fault.fix)])],
  };
}

/** Beside another DHCP server: the node's address is that one's to give, and names lead to the inventory's. */
function otherAddress({ node, events }: Case): string[] {
  const taken = events.findLast((event) => event.kind === "offered" && event.server !== undefined);
  if (node === undefined || taken?.kind !== "offered" || taken.ip === undefined) return [];
  if (taken.ip === node.ip) return [];
  return [
    `the DHCP server ${taken.server} gave it ${taken.ip}, and the inventory has ${node.ip}: reserve ${node.ip} for ${taken.mac} there, or set-node ${node.name} --ip ${taken.ip}`,
  ];
}

function verdictOn(given: Case): Verdict {
  if (!given.headRuns) {
    return {
      summary: `no head runs, so ${given.subject} cannot boot`,
      findings: [],
      tryNext: ["provision serve"],
      stuck: true,
    };
  }
  if (given.node === undefined) return unknownMachine(given);
  if (given.events.length === 0) return neverSeen(given);
  switch (given.phase) {
    case "up": {
      return isUp(given);
    }
    case "lost": {
      return isLost(given);
    }
    case "down": {
      return {
        summary: `${given.subject} shut down in order ${ago(given.phaseSinceMs, given)}`,
        findings: [],
        tryNext: ["switch it on: it boots by itself"],
        stuck: false,
      };
    }
    case "failed": {
      return hasFailed(given);
    }
    default: {
      return isBooting(given);
    }
  }
}

function unknownMachine(given: Case): Verdict {
  const { machine, subject } = given;
  const add = `provision add-node NAME --from-discovered ${subject}`;
  if (machine === undefined) {
    return {
      summary: `${subject} is not in the inventory and has never asked this head for a boot`,
      findings: [],
      tryNext: [
        "check its cable, its switch port's VLAN and that network boot is on in its firmware",
        "provision list-discovered",
        `provision add-node NAME --mac ${subject}`,
      ],
      stuck: true,
    };
  }
  const waits = given.events.some((event) => event.kind === "script");
  const got = machine.ip === undefined ? "" : `, got ${machine.ip}`;
  return {
    summary: `${subject} is not in the inventory: it asked for a boot ${ago(machine.lastSeenMs, given)}${got}${waits ? " and waits in its loader" : ""}`,
    findings: [`its firmware is ${machine.firmware ?? "of a kind it did not tell"}`],
    tryNext: [waits ? `${add}    (it goes on booting by itself)` : add],
    stuck: true,
  };
}

function neverSeen(given: Case): Verdict {
  const macs = given.node?.macs ?? [];
  const tryNext = [
    "switch it on; check its cable, its switch port's VLAN and that network boot is on in its firmware",
  ];
  const findings: string[] = [];
  const { uuid, clientIds, relayPort } = given.node ?? {};
  if (macs.length === 0 && uuid === undefined && clientIds === undefined && relayPort === undefined) {
    findings.push(`${given.subject} has no MAC address, so nothing can be recognised as it`);
    tryNext.unshift(`provision set-node ${given.subject} --mac MAC`);
  }
  for (const machine of given.unknownMachines.slice(-3)) {
    findings.push(
      `a machine that is nobody's asked for a boot ${ago(machine.lastSeenMs, given)}: ${machine.mac}`,
    );
    tryNext.push(`if that is ${given.subject}: provision set-node ${given.subject} --add-mac ${machine.mac}`);
  }
  return {
    summary: `${given.subject} has never asked this head for an address`,
    findings,
    tryNext,
    stuck: true,
  };
}

function isUp(given: Case): Verdict {
  const started = given.events[0]?.atMs ?? given.phaseSinceMs;
  const up = lastEventOf(given.events, "up")?.atMs ?? given.phaseSinceMs;
  const heard =
    given.lastHeartbeatMs === undefined ? "" : `; last heard ${ago(given.lastHeartbeatMs, given)}`;
  const losses = given.events.filter((event) => event.kind === "lost").length;
  // A machine that was taken for it and refused: it is up all the same, and somebody should know.
  const refused = given.events.findLast((event) => event.kind === "refused" && event.step === "offered");
  return {
    summary: `${given.subject} is up: it booted in ${seconds(up - started)}, ${ago(up, given)}${heard}`,
    findings: [
      ...(losses === 0
        ? []
        : [`it was silent for a while ${losses} time${losses === 1 ? "" : "s"} since it booted`]),
      ...(refused?.kind === "refused" && refused.atMs > up
        ? [`an address was refused ${ago(refused.atMs, given)}: ${refused.message}`]
        : []),
    ],
    tryNext: [],
    stuck: false,
  };
}

function isLost(given: Case): Verdict {
  const heard = given.lastHeartbeatMs ?? given.phaseSinceMs;
  return {
    summary: `${given.subject} was up and has been silent since ${ago(heard, given)}: powered off, crashed, or cut off from the network`,
    findings: ["it did not say that it was shutting down"],
    tryNext: [
      "look at its power and its console",
      `ping ${given.node?.ip ?? ""}`,
      "switch it on again: it boots by itself",
    ],
    stuck: true,
  };
}

function hasFailed(given: Case): Verdict {
  const failed = given.events.findLast((event) => event.kind === "failed");
  const message = failed === undefined ? "it did not say why" : textOf(failed).replace(/^failed: /, "");
  const [fault] = given.headFaults;
  return {
    summary: `${given.subject} could not mount its root ${ago(given.phaseSinceMs, given)}: ${fault?.message ?? message.split("\n")[0]}`,
    findings: [...(fault === undefined ? [] : [fault.message]), `the node says: ${message}`],
    tryNext: [
      ...(fault === undefined ? ["provision status"] : [fault.fix]),
      "it tries again by itself within a minute",
    ],
    stuck: true,
  };
}

function isBooting(given: Case): Verdict {
  const last = given.events.at(-1);
  const lastMs = last?.atMs ?? given.phaseSinceMs;
  const silentMs = given.nowMs - lastMs;
  const steps = stepIndex(given.phase);
  const refused = given.events.findLast((event) => event.kind === "refused" && event.step !== "credential");
  if (
    refused?.kind === "refused" &&
    !given.events.some(
      (event) =>
        event.atMs > refused.atMs && stepIndex(event.kind as Phase) >= stepIndex(refused.step as Phase),
    )
  ) {
    const fault = given.headFaults[0];
    return {
      summary: `${given.subject} cannot boot: ${refused.message}`,
      findings: [`it was refused at the step "${refused.step}" ${ago(refused.atMs, given)}`],
      tryNext: [fault?.fix ?? "provision doctor", "the node asks again by itself"],
      stuck: true,
    };
  }
  if (given.before !== undefined) {
    return {
      summary: `${given.subject} is ${turnText(given.before)}`,
      findings: [],
      tryNext: [
        "it asks again by itself; `boot.concurrent` in the configuration says how many load at a time",
      ],
      stuck: false,
    };
  }
  const patience = patienceMs[given.phase] ?? 60_000;
  if (silentMs < patience) {
    return {
      summary: `${given.subject} is booting: ${last === undefined ? given.phase : textOf(last)}, ${ago(lastMs, given)} (step ${steps + 1} of 9)`,
      findings: [],
      tryNext: [],
      stuck: false,
    };
  }
  const likely = likelyCause(given.phase, given.headFaults[0], given.node?.ip ?? "NODE");
  return {
    summary: `${given.subject} stopped after the step "${given.phase}", ${ago(lastMs, given)}: ${likely.cause}`,
    findings: last === undefined ? [] : [`the last that was seen of it: ${textOf(last)}`],
    tryNext: likely.tryNext,
    stuck: true,
  };
}

function ago(atMs: number, given: Case): string {
  return `${seconds(Math.max(0, given.nowMs - atMs))} ago`;
}

function seconds(ms: number): string {
  const s = ms / 1000;
  if (s < 120) return `${s < 10 ? s.toFixed(1) : s.toFixed(0)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172_800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86_400)} days`;
}
