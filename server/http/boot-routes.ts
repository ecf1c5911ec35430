import { performance } from "node:perf_hooks";
import { Router, type Request, type Response } from "express";
import type { BootDesk } from "../boot/boot-desk.ts";
import type { Credentials } from "../boot/credentials.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError, errnoOf } from "../lib/errors.ts";
import { type Mac, parseMac } from "../lib/mac.ts";
import { loaderFiles } from "../model/arch.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
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
 *     /boot/MAC/loader/FILE                 a boot loader, for UEFI HTTP Boot
 *     /boot/MAC/script.ipxe                 begins a boot
 *     /boot/MAC/NONCE/{kernel,initrd,overlay}
 */
export function bootRoutes(parts: BootRouteParts): Router {
  const router = Router({ caseSensitive: true });
  router.get("/boot/:mac/loader/:file", (request, response) => {
    const { file } = request.params;
    const mac = macOf(request.params.mac);
    if (!loaderFiles().includes(file)) throw new AppError("not-found", `there is no loader ${file}`);
    recordWhenSent(parts, response, mac, "loader", file);
    sendFile(response, file, parts.loaderDirectory, () =>
      refuse(parts, mac, "loader", `the boot loader ${file} is missing`),
    );
  });
  router.get("/boot/:mac/script.ipxe", async (request, response) => {
    const text = await parts.desk.beginBoot(macOf(request.params.mac));
    response.type("text/plain").set("cache-control", "no-store").send(text);
  });
  router.get("/boot/:mac/:nonce/kernel", (request, response) =>
    sendImageFile(parts, request, response, "kernel"),
  );
  router.get("/boot/:mac/:nonce/initrd", (request, response) =>
    sendImageFile(parts, request, response, "initrd"),
  );
  router.get("/boot/:mac/:nonce/overlay", async (request, response) => {
    const { mac, node } = bootOf(parts, request.params);
    const { nonce } = request.params;
    if (parts.credentials.stateOfBoot(node, nonce) === "spent") {
      throw new AppError("forbidden", "this boot's settings have been used");
    }
    const archive = await parts.overlay(node, parts.credentials.tokenOf(node, nonce));
    recordWhenSent(parts, response, mac, "overlay", "overlay");
    response.type("application/octet-stream").set("cache-control", "no-store").send(Buffer.from(archive));
  });
  return router;
}

function macOf(text: string): Mac {
  const mac = parseMac(text);
  if (mac === undefined) throw new AppError("invalid", `${JSON.stringify(text)} is not a MAC address`);
  return mac;
}

/** The node of a path and the boot it names. A nonce of an earlier boot gets nothing: its script is out of date. */
function bootOf(
  parts: BootRouteParts,
  params: Readonly<Record<string, string>>,
): { mac: Mac; node: ClusterNode } {
  const mac = macOf(params["mac"] ?? "");
  const node = parts.directory.byMac(mac);
  if (node === undefined) throw new AppError("not-found", `${mac} is not in the inventory`);
  if (parts.credentials.stateOfBoot(node, params["nonce"] ?? "") === "unknown") {
    throw new AppError("not-found", "this boot has been overtaken by another: fetch the boot script again");
  }
  return { mac, node };
}

function sendImageFile(
  parts: BootRouteParts,
  request: Request,
  response: Response,
  step: "kernel" | "initrd",
): void {
  const { mac, node } = bootOf(parts, request.params as Record<string, string>);
  const { reference, image } = parts.desk.planOf(node);
  if (image === undefined) throw new AppError("not-found", `the image ${reference} is not in the store`);
  recordWhenSent(parts, response, mac, step, `${image.name}@${image.version}`);
  sendFile(response, image[step], undefined, (error) => {
    const reason =
      errnoOf(error) === "ENOENT" ? "is missing" : `cannot be read (${errnoOf(error) ?? "unknown"})`;
    refuse(parts, mac, step, `${image[step]} ${reason}`);
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
function recordWhenSent(parts: BootRouteParts, response: Response, mac: Mac, step: Step, file: string): void {
  const startedMs = performance.now();
  response.once("finish", () => {
    if (response.statusCode !== 200 || response.req.method !== "GET") return;
    const bytes = Number(response.getHeader("content-length") ?? 0);
    const durationMs = Math.round(performance.now() - startedMs);
    parts.record({ kind: step, mac, atMs: parts.clock.nowMs(), file, bytes, durationMs, via: "http" });
  });
}

function refuse(parts: BootRouteParts, mac: Mac, step: Step, message: string): void {
  parts.record({ kind: "refused", mac, atMs: parts.clock.nowMs(), step, message });
}
