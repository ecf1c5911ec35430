import type { IncomingMessage, ServerResponse } from "node:http";
import type { BootDesk } from "../boot/boot-desk.ts";
import { bootOf, imageOf, overlayOf } from "../boot/boot-of.ts";
import type { Asker, Dialect } from "../boot/boot-script.ts";
import { readIdentity } from "../boot/boot-urls.ts";
import type { Credentials } from "../boot/credentials.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError, errnoOf, httpStatusOf, messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { loaderFiles, placesOfLoader } from "../model/arch.ts";
import type { Record as RecordEvent, Subject } from "../model/boot-event.ts";
import { type BootIdentity, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import { type FileSending, sendBytes, sendFile, sendText } from "./boot-answer.ts";
import { type BootTarget, readBootTarget } from "./boot-target.ts";
import type { FileCache } from "./file-cache.ts";
import { memoryFile } from "./open-file.ts";
import type { Transfers } from "./transfers.ts";

export type BootHandlerParts = {
  directory: Directory;
  credentials: Credentials;
  catalog: Pick<ImageCatalog, "find">;
  desk: BootDesk;
  record: RecordEvent;
  clock: Clock;
  log: Log;
  /** Directories of boot loaders; the first that has a file counts. */
  loaderPlaces: readonly string[];
  files: FileCache;
  transfers: Transfers;
  /** True for a connection beyond those that are served. */
  isExcess: (request: IncomingMessage) => boolean;
  /** A node's own files, with its boot token among them. */
  overlay: (node: ClusterNode, token: string) => Promise<Uint8Array>;
};

/** Takes a request below `/boot/`; false: it is another's. */
export type BootHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

type Step = "loader" | "kernel" | "initrd" | "overlay";

/** A request as the routes see it. */
type Exchange = { request: IncomingMessage; response: ServerResponse };

/**
 * What firmware and loaders fetch, beside express, whose layers cost more than the answers. A machine's identity is in the
 * path, never taken from its address:
 *
 *     /boot/MACHINE/loader/FILE             a boot loader, for UEFI HTTP Boot
 *     /boot/MACHINE/script.{ipxe,grub}      begins a boot
 *     /grub/grub.cfg                        what a GRUB looks for, there and beside its loader
 *     /boot/MACHINE/NUMBER/overlay
 *     /boot/MACHINE/NUMBER/IMAGE/VERSION/{kernel,initrd}
 */
export function bootHandler(parts: BootHandlerParts): BootHandler {
  return (request, response) => {
    const target = readBootTarget(request.url ?? "");
    if (target === undefined) return false;
    const exchange = { request, response };
    try {
      const answering = answer(parts, exchange, target);
      answering?.catch((error: unknown) => fail(parts, exchange, error));
    } catch (error) {
      fail(parts, exchange, error);
    }
    return true;
  };
}

function answer(parts: BootHandlerParts, exchange: Exchange, target: BootTarget): Promise<void> | undefined {
  const { request, response } = exchange;
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    sendText(response, 405, "only GET and HEAD are answered here\n", [
      "allow",
      "GET, HEAD",
      "connection",
      "close",
    ]);
    return undefined;
  }
  if (hasBody(request)) {
    sendText(response, 413, "a request here has no body: leave it out\n", ["connection", "close"]);
    return undefined;
  }
  if (parts.isExcess(request)) {
    putOff(parts, exchange, target);
    return undefined;
  }
  switch (target.kind) {
    case "script": {
      const machine = machineOf(target.machine);
      const asker = askerOf(request, target.dialect);
      const { desk } = parts;
      sendText(response, 200, method === "HEAD" ? desk.peek(machine, asker) : desk.beginBoot(machine, asker));
      return undefined;
    }
    case "grub-config": {
      sendText(response, 200, parts.desk.grubConfig(target.machine, askerOf(request, "grub")));
      return undefined;
    }
    case "loader": {
      return sendLoader(parts, exchange, target);
    }
    case "overlay": {
      return sendOverlay(parts, exchange, target);
    }
    case "image-file": {
      return sendImageFile(parts, exchange, target);
    }
    case "malformed": {
      throw new AppError("invalid", `${request.url} is no path: "%" is followed by two hexadecimal digits`);
    }
    default: {
      throw new AppError("not-found", `there is no ${request.url}`);
    }
  }
}

/** Of IPv6 the head has a listener of its own: its connections' addresses are no IPv4 addresses in disguise. */
function askerOf({ socket }: IncomingMessage, dialect: Dialect): Asker {
  return { dialect, via: "http", family: socket.localFamily === "IPv6" ? "ipv6" : "ipv4" };
}

/** `request.headers` is made only when asked for, and a script needs nothing else of it. */
function hasBody({ rawHeaders }: IncomingMessage): boolean {
  return rawHeaders.some((name, at) => {
    if (at % 2 === 1 || (name.length !== 14 && name.length !== 17)) return false;
    const lower = name.toLowerCase();
    return lower === "transfer-encoding" || (lower === "content-length" && Number(rawHeaders[at + 1]) > 0);
  });
}

/** A loader that is turned away by an error falls to a shell: one that asks for its script is told to wait instead. */
function putOff(parts: BootHandlerParts, { request, response }: Exchange, target: BootTarget): void {
  if (target.kind === "script") {
    sendText(response, 200, parts.desk.putOff(machineOf(target.machine), askerOf(request, target.dialect)), [
      "connection",
      "close",
    ]);
    return;
  }
  const headers = ["retry-after", "5", "connection", "close"];
  sendText(response, 503, "too many connections: ask again in 5 seconds\n", headers);
}

async function sendLoader(
  parts: BootHandlerParts,
  { request, response }: Exchange,
  target: { machine: string; file: string },
): Promise<void> {
  const { file } = target;
  const machine = machineOf(target.machine);
  const subject = subjectOf(machine.mac, nodeOfIdentity(machine, parts.directory));
  if (!loaderFiles().includes(file)) throw new AppError("not-found", `there is no loader ${file}`);
  const sending = sendingOf(parts, subject, "loader", file);
  const opened = await openLoader(parts, file).catch((error: unknown) => {
    throw missing(parts, subject, "loader", `the boot loader ${file} ${faultOf(error)}`);
  });
  sendFile(request, response, opened, sending);
}

async function openLoader(
  { files, loaderPlaces }: BootHandlerParts,
  file: string,
): ReturnType<BootHandlerParts["files"]["open"]> {
  const paths = placesOfLoader(file, loaderPlaces).map((place) => `${place.directory}/${place.file}`);
  for (const path of paths.slice(0, -1)) {
    try {
      return await files.open(path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
  return await files.open(paths.at(-1) ?? "");
}

async function sendImageFile(
  parts: BootHandlerParts,
  { request, response }: Exchange,
  target: Extract<BootTarget, { kind: "image-file" }>,
): Promise<void> {
  const { subject, node } = bootOf(parts, machineOf(target.machine), target.nonce);
  const step = target.file;
  const image = storedImage(parts, subject, target);
  const sending = sendingOf(parts, subject, step, target.image);
  const opened = await parts.files.open(image[step]).catch((error: unknown) => {
    throw missing(parts, subject, step, `${image[step]} ${faultOf(error)}`);
  });
  const { desk } = parts;
  if (request.method === "GET") desk.begins(node, step);
  sendFile(request, response, opened, {
    ...sending,
    onProgress: () => desk.progress(node),
    onSent: (bytes) => {
      sending.onSent(bytes);
      desk.loaded(node, step);
    },
  });
}

function storedImage(
  parts: BootHandlerParts,
  subject: Subject,
  { image, file }: Extract<BootTarget, { kind: "image-file" }>,
): ImageVersion {
  try {
    return imageOf(parts.catalog, image);
  } catch (error) {
    parts.record({
      kind: "refused",
      ...subject,
      atMs: parts.clock.nowMs(),
      step: file,
      message: messageOf(error),
    });
    throw error;
  }
}

async function sendOverlay(
  parts: BootHandlerParts,
  { request, response }: Exchange,
  target: { machine: string; nonce: string },
): Promise<void> {
  const { desk } = parts;
  const { subject, node } = bootOf(parts, machineOf(target.machine), target.nonce);
  const sending = sendingOf(parts, subject, "overlay", "overlay");
  const archive = await overlayOf(parts, node, target.nonce);
  const onProgress = (): void => desk.progress(node);
  const onSent = (bytes: number): void => {
    sending.onSent(bytes);
    desk.loaded(node, "overlay");
  };
  const file = { ...memoryFile(archive), sizeBytes: archive.length };
  sendBytes(request, response, file, { ...sending, onProgress, onSent });
}

/** Records a transfer once all of it has gone out. A HEAD, a part and a broken connection are none. */
function sendingOf(parts: BootHandlerParts, subject: Subject, step: Step, file: string): FileSending {
  const startedMs = performance.now();
  return {
    transfers: parts.transfers,
    nowMs: parts.clock.nowMs(),
    onSent: (bytes) => {
      const durationMs = Math.round(performance.now() - startedMs);
      parts.record({
        kind: step,
        ...subject,
        atMs: parts.clock.nowMs(),
        file,
        bytes,
        durationMs,
        via: "http",
      });
    },
  };
}

function machineOf(segment: string): BootIdentity {
  const machine = readIdentity(segment);
  if (machine === undefined) throw new AppError("invalid", `${JSON.stringify(segment)} is not a MAC address`);
  return machine;
}

function faultOf(error: unknown): string {
  const errno = errnoOf(error);
  return errno === "ENOENT" ? "is missing" : `cannot be read (${errno ?? messageOf(error)})`;
}

function missing(parts: BootHandlerParts, subject: Subject, step: Step, message: string): AppError {
  parts.record({ kind: "refused", ...subject, atMs: parts.clock.nowMs(), step, message });
  return new AppError("not-found", message, { hint: "provision doctor" });
}

/** Plain text, which firmware and loaders may show. */
function fail(parts: BootHandlerParts, { request, response }: Exchange, error: unknown): void {
  if (!(error instanceof AppError)) {
    const stack = error instanceof Error ? error.stack : String(error);
    parts.log.error({ error: stack, path: request.url }, "request failed");
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = error instanceof AppError ? httpStatusOf[error.code] : 500;
  const text = error instanceof AppError ? error.message : `internal error: ${messageOf(error)}`;
  const hint = error instanceof AppError && error.hint !== undefined ? ` (on the head: ${error.hint})` : "";
  sendText(response, status, `${text}${hint}\n`);
}
