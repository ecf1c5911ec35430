import { loaderFiles } from "../model/arch.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import { parseMac } from "../lib/mac.ts";
import type { Record as RecordEvent, Subject } from "../model/boot-event.ts";
import { type BootIdentity, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";
import type { BootDesk } from "./boot-desk.ts";
import { bootOf, overlayOf } from "./boot-of.ts";
import { type OwnPath, readOwnPath } from "./boot-urls.ts";
import type { Credentials } from "./credentials.ts";

export type TftpFilesParts<File> = {
  desk: BootDesk;
  directory: Directory;
  credentials: Credentials;
  record: RecordEvent;
  clock: Clock;
  /** Opens a file below the loader directories and nowhere else. */
  openLoader: (path: string) => Promise<File | undefined>;
  /** Opens a file of an image, by its whole path. */
  openImageFile: (path: string) => Promise<File | undefined>;
  fromBytes: (bytes: Uint8Array) => File;
  /** A node's own files, with its boot token among them. */
  overlay: (node: ClusterNode, token: string) => Promise<Uint8Array>;
};

export type TftpFiles<File> = {
  /**
   * What TFTP serves. A machine's own: `boot/MACHINE/` and what BootUrls says. What loaders ask for by themselves:
   * GRUB's `grub.cfg`, in whatever directory and for whatever port. And the loader directories' own files, for machines
   * whose DHCP server is another.
   */
  open: (path: string) => Promise<File | undefined>;
  /** Notes a whole transfer of a machine's own file. */
  fetched: (path: string, bytes: number, durationMs: number) => void;
};

export function createTftpFiles<File>(parts: TftpFilesParts<File>): TftpFiles<File> {
  const files = new Files(parts);
  return {
    open: (path) => files.open(path),
    fetched: (path, bytes, durationMs) => files.fetched(path, bytes, durationMs),
  };
}

/** `grub.cfg`, or that of one port: GRUB looks for `grub.cfg-01-MAC` before the plain one (grub-core/net/net.c). */
const grubConfig = /(?:^|\/)grub\.cfg(?:-01-(?<mac>[0-9a-fA-F-]{17}))?$/;

class Files<File> {
  readonly #parts: TftpFilesParts<File>;

  constructor(parts: TftpFilesParts<File>) {
    this.#parts = parts;
  }

  async open(path: string): Promise<File | undefined> {
    const own = readOwnPath(path);
    if (own !== undefined) return await this.#openOwn(own);
    const grub = grubConfig.exec(path);
    if (grub === null) return await this.#parts.openLoader(path);
    const mac = parseMac(grub.groups?.["mac"] ?? "");
    return this.#fromText(this.#parts.desk.grubConfig(mac === undefined ? undefined : { mac }));
  }

  fetched(path: string, bytes: number, durationMs: number): void {
    const own = readOwnPath(path);
    if (own === undefined || own.file.kind === "script") return;
    const { directory, desk, record, clock } = this.#parts;
    const { kind } = own.file;
    const step = kind === "loader" ? kind : own.file.file;
    const file = kind === "loader" ? own.file.name : step;
    const node = nodeOfIdentity(own.machine, directory);
    if (step === "overlay" && node !== undefined) desk.loaded(node);
    const subject = subjectOf(own.machine.mac, node);
    record({ kind: step, ...subject, atMs: clock.nowMs(), file, bytes, durationMs, via: "tftp" });
  }

  async #openOwn({ machine, file }: OwnPath): Promise<File | undefined> {
    switch (file.kind) {
      case "script": {
        return this.#fromText(this.#parts.desk.beginBoot(machine, file.dialect));
      }
      case "loader": {
        return await this.#openLoader(machine, file.name);
      }
      case "boot-file": {
        return await this.#openBootFile(machine, file);
      }
    }
  }

  async #openLoader(machine: BootIdentity, name: string): Promise<File | undefined> {
    const file = await this.#parts.openLoader(name);
    // Loaders look for further files beside themselves (iPXE: autoexec.ipxe); only what we name must be there.
    if (file === undefined && loaderFiles().includes(name)) {
      const subject = subjectOf(machine.mac, nodeOfIdentity(machine, this.#parts.directory));
      this.#refuse(subject, "loader", `the boot loader ${name} is missing`);
    }
    return file;
  }

  async #openBootFile(
    machine: BootIdentity,
    { nonce, file }: Extract<OwnPath["file"], { kind: "boot-file" }>,
  ): Promise<File | undefined> {
    const { desk, fromBytes, openImageFile } = this.#parts;
    const { node, subject } = bootOf(this.#parts, machine, nonce);
    desk.progress(node);
    if (file === "overlay") return fromBytes(await overlayOf(this.#parts, node, nonce));
    const { reference, image } = desk.planOf(node);
    if (image === undefined) throw new AppError("not-found", `the image ${reference} is not in the store`);
    const opened = await openImageFile(image[file]);
    if (opened === undefined) this.#refuse(subject, file, `${image[file]} is missing`);
    return opened;
  }

  #refuse(subject: Subject, step: "loader" | "kernel" | "initrd", message: string): void {
    const { record, clock } = this.#parts;
    record({ kind: "refused", ...subject, atMs: clock.nowMs(), step, message });
  }

  #fromText(text: string): File {
    return this.#parts.fromBytes(Buffer.from(text));
  }
}
