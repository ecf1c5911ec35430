import { json, Router, type Request } from "express";
import type { PhaseReport } from "../../agent/contract.ts";
import type { Credentials, Proof } from "../boot/credentials.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { BootEvent, Subject } from "../model/boot-event.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Tracker } from "../tracker/tracker.ts";
import { checked } from "./checked.ts";
import { credentialRequestSchema, nodeReportSchema, phaseReportSchema } from "./node-schemas.ts";

export type NodeRouteParts = {
  directory: Directory;
  credentials: Credentials;
  tracker: Tracker;
  clock: Clock;
  log: Log;
};

/** What nodes say of themselves (agent/contract.ts). Every request proves who sent it. */
export function nodeRoutes(parts: NodeRouteParts): Router {
  const router = Router({ caseSensitive: true });
  const body = json({ limit: "256kb" });

  router.post("/node/:name/phase", body, (request, response) => {
    const { node, proof } = senderOf(parts, request);
    if (proof === "nothing") throw refusal(parts, node, "its phase report proves nothing");
    const report = checked(phaseReportSchema, request.body);
    const subject = parts.tracker.subjectOf(node);
    if (subject !== undefined) parts.tracker.record(eventOf(report, subject, parts.clock.nowMs()));
    response.status(204).end();
  });

  router.post("/node/:name/credential", body, async (request, response) => {
    const { node, bearer } = senderOf(parts, request);
    const { credentialDigest } = checked(credentialRequestSchema, request.body);
    if (!(await parts.credentials.exchange(node, bearer, credentialDigest))) {
      throw refusal(parts, node, "a boot token that is wrong or has been used");
    }
    response.status(204).end();
  });

  router.post("/node/:name/report", body, (request, response) => {
    const { node, proof } = senderOf(parts, request);
    if (proof !== "credential") throw refusal(parts, node, "a credential that is not this boot's");
    parts.tracker.heartbeat(node, checked(nodeReportSchema, request.body));
    response.status(204).end();
  });
  return router;
}

function senderOf(
  parts: NodeRouteParts,
  request: Request,
): { node: ClusterNode; bearer: string; proof: Proof } {
  const name = String(request.params["name"]);
  const node = parts.directory.byName(name);
  const bearer = /^Bearer ([\x21-\x7e]{1,200})$/.exec(request.get("authorization") ?? "")?.[1];
  // One answer for both: a stranger does not learn which names there are.
  if (node === undefined || bearer === undefined)
    throw new AppError("forbidden", "not a member of this cluster");
  return { node, bearer, proof: parts.credentials.prove(node, bearer) };
}

function refusal(parts: NodeRouteParts, node: ClusterNode, what: string): AppError {
  parts.log.warn({ node: node.name }, `refused: ${what}`);
  const subject = parts.tracker.subjectOf(node);
  if (subject !== undefined) {
    parts.tracker.record({
      kind: "refused",
      ...subject,
      atMs: parts.clock.nowMs(),
      step: "credential",
      message: `somebody sent ${what}`,
    });
  }
  return new AppError("forbidden", "not a member of this cluster");
}

function eventOf(report: PhaseReport, subject: Subject, atMs: number): BootEvent {
  const { phase, message, uptimeSeconds } = report;
  const uptime = uptimeSeconds === undefined ? {} : { uptimeSeconds };
  if (phase === "failed")
    return { kind: "failed", ...subject, atMs, message: message ?? "for a reason it did not tell" };
  if (phase === "stopping") return { kind: "stopping", ...subject, atMs };
  if (phase === "starting")
    return { kind: "starting", ...subject, atMs, ...uptime, ...(message === undefined ? {} : { message }) };
  return { kind: phase, ...subject, atMs, ...uptime };
}
