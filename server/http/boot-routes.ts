import { performance } from "node:perf_hooks";
import { Router, type Request, type Response } from "express";
import type { BootDesk } from "../boot/boot-desk.ts";
import type { Credentials } from "../boot/credentials.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError, errnoOf } from "../lib/errors.ts";
import { readIdentity } from "../boot/boot-urls.ts";
import { loaderFiles } from "../model/arch.ts";
import type { Record as RecordEvent, Subject } from "../model/boot-event.ts";
import { type BootIdentity, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";

export type BootRouteParts = {
  directory: Directory;
  credentials: Credentials;
  desk: BootDesk;
  record: RecordEvent;
  clock: Clock;
  loaderDirectory: string;
  /** A node's own files, with its boot token among them. */
  overlay: (node: ClusterNode, token: string) => Promise<Uint8Array>;
};

type Step = "loader" | "kernel" | "initrd" | "overlay";

/**
 * What firmware and loaders fetch. A machine's identity is in the path, never taken from its address:
 *
 *     /boot/MACHINE/loader/FILE             a boot loader, for UEFI HTTP Boot
 *     /boot/MACHINE/script.ipxe             begins a boot
 *     /boot/MACHINE/NONCE/{kernel,initrd,overlay}
 */
export function bootRoutes(parts: BootRouteParts): Router {
  const router = Router({ caseSensitive: true });
  router.get("/boot/:machine/loader/:file", (request, response) => {
    const { file } = request.params;
    const machine = machineOf(request.params.machine);
    const subject = subjectOf(machine.mac, nodeOfIdentity(machine, parts.directory));
    if (!loaderFiles().includes(file)) throw new AppError("not-found", `there is no loader ${file}`);
    recordWhenSent(parts, response, subject, "loader", file);
    sendFile(response, file, parts.loaderDirectory, () =>
      refuse(parts, subject, "loader", `the boot loader ${file} is missing`),
    );
  });
  router.get("/boot/:machine/script.ipxe", async (request, response) => {
    const text = await parts.desk.beginBoot(machineOf(request.params.machine));
    response.type("text/plain").set("cache-control", "no-store").send(text);
  });
  router.get("/boot/:machine/:nonce/kernel", (request, response) =>
    sendImageFile(parts, request, response, "kernel"),
  );
  router.get("/boot/:machine/:nonce/initrd", (request, response) =>
    sendImageFile(parts, request, response, "initrd"),
  );
  router.get("/boot/:machine/:nonce/overlay", async (request, response) => {
    const { subject, node } = bootOf(parts, request.params);
    const { nonce } = request.params;
    if (parts.credentials.stateOfBoot(node, nonce) === "spent") {
      throw new AppError("forbidden", "this boot's settings have been used");
    }
    const archive = await parts.overlay(node, parts.credentials.tokenOf(node, nonce));
    recordWhenSent(parts, response, subject, "overlay", "overlay");
    response.type("application/octet-stream").set("cache-control", "no-store").send(Buffer.from(archive));
  });
  return router;
}

function machineOf(segment: string): BootIdentity {
  const machine = readIdentity(segment);
  if (machine === undefined) throw new AppError("invalid", `${JSON.stringify(segment)} is not a MAC address`);
  return machine;
}

/** The node of a path and the boot it names. A nonce of an earlier boot gets nothing: its script is out of date. */
function bootOf(
  parts: BootRouteParts,
  params: Readonly<Record<string, string>>,
): { subject: Subject; node: ClusterNode } {
  const machine = machineOf(params["machine"] ?? "");
  const node = nodeOfIdentity(machine, parts.directory);
  if (node === undefined) throw new AppError("not-found", `${machine.mac} is not in the inventory`);
  if (parts.credentials.stateOfBoot(node, params["nonce"] ?? "") === "unknown") {
    throw new AppError("not-found", "this boot has been overtaken by another: fetch the boot script again");
  }
  return { subject: subjectOf(machine.mac, node), node };
}

function sendImageFile(
  parts: BootRouteParts,
  request: Request,
  response: Response,
  step: "kernel" | "initrd",
): void {
  const { subject, node } = bootOf(parts, request.params as Record<string, string>);
  const { reference, image } = parts.desk.planOf(node);
  if (image === undefined) throw new AppError("not-found", `the image ${reference} is not in the store`);
  recordWhenSent(parts, response, subject, step, `${image.name}@${image.version}`);
  sendFile(response, image[step], undefined, (error) => {
    const reason =
      errnoOf(error) === "ENOENT" ? "is missing" : `cannot be read (${errnoOf(error) ?? "unknown"})`;
    refuse(parts, subject, step, `${image[step]} ${reason}`);
  });
}

/** Streams a file with its exact length, ranges, conditional requests and HEAD (express's send). */
function sendFile(
  response: Response,
  file: string,
  root: string | undefined,
  onMissing?: (error: Error) => void,
): void {
  const options = {
    dotfiles: "allow" as const,
    cacheControl: false,
    lastModified: true,
    ...(root === undefined ? {} : { root }),
  };
  response.type("application/octet-stream");
  response.sendFile(
    file,
    options,
    (error: (Error & { status?: number; headers?: Record<string, string> }) | undefined) => {
      if (error === undefined || response.headersSent) return;
      const status = error.status ?? 500;
      // A range that the file has not (416) and a condition that fails (412) are the client's own.
      if (status === 404 || status >= 500) onMissing?.(error);
      response
        .status(status)
        .set(error.headers ?? {})
        .type("text/plain")
        .send(`${error.message}\n`);
    },
  );
}

/** Records a transfer once all of it has gone out. A HEAD, a range and a broken connection are none. */
function recordWhenSent(
  parts: BootRouteParts,
  response: Response,
  subject: Subject,
  step: Step,
  file: string,
): void {
  const startedMs = performance.now();
  response.once("finish", () => {
    if (response.statusCode !== 200 || response.req.method !== "GET") return;
    const bytes = Number(response.getHeader("content-length") ?? 0);
    const durationMs = Math.round(performance.now() - startedMs);
    parts.record({ kind: step, ...subject, atMs: parts.clock.nowMs(), file, bytes, durationMs, via: "http" });
  });
}

function refuse(parts: BootRouteParts, subject: Subject, step: Step, message: string): void {
  parts.record({ kind: "refused", ...subject, atMs: parts.clock.nowMs(), step, message });
}
