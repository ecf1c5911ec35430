import { loaderFiles } from "../model/arch.ts";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Record as RecordEvent, Subject } from "../model/boot-event.ts";
import { type BootIdentity, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import type { BootDesk } from "./boot-desk.ts";
import type { Asker } from "./boot-script.ts";
import { bootOf, imageOf, overlayOf } from "./boot-of.ts";
import {
  type BootFile,
  type IpFamily,
  type OwnPath,
  readGrubConfig,
  readOwnPath,
  readPxelinuxConfig,
} from "./boot-urls.ts";
import type { Credentials } from "./credentials.ts";

export type TftpFilesParts<File> = {
  desk: BootDesk;
  directory: Directory;
  credentials: Credentials;
  catalog: Pick<ImageCatalog, "find">;
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
  open: (path: string, family: IpFamily) => Promise<File | undefined>;
  /** Notes a whole transfer of a machine's own file. */
  fetched: (path: string, bytes: number, durationMs: number) => void;
};

export function createTftpFiles<File>(parts: TftpFilesParts<File>): TftpFiles<File> {
  const files = new Files(parts);
  return {
    open: (path, family) => files.open(path, family),
    fetched: (path, bytes, durationMs) => files.fetched(path, bytes, durationMs),
  };
}

class Files<File> {
  readonly #parts: TftpFilesParts<File>;

  constructor(parts: TftpFilesParts<File>) {
    this.#parts = parts;
  }

  async open(path: string, family: IpFamily): Promise<File | undefined> {
    const grub = readGrubConfig(path);
    if (grub !== undefined)
      return this.#fromText(this.#parts.desk.grubConfig(grub.machine, { via: "tftp", family }));
    const pxelinux = readPxelinuxConfig(path);
    if (pxelinux !== undefined) {
      const asker: Asker = { dialect: "pxelinux", via: pxelinux.via, family };
      return this.#fromText(this.#parts.desk.beginBoot(pxelinux.machine, asker));
    }
    const own = readOwnPath(path);
    return own === undefined ? await this.#parts.openLoader(path) : await this.#openOwn(own, family);
  }

  fetched(path: string, bytes: number, durationMs: number): void {
    const own = readOwnPath(path);
    if (own === undefined || own.file.kind === "script") return;
    const { directory, desk, record, clock } = this.#parts;
    const { step, file } = stepOf(own.file);
    const node = nodeOfIdentity(own.machine, directory);
    if (step !== "loader" && node !== undefined) desk.loaded(node, step);
    const subject = subjectOf(own.machine.mac, node);
    record({ kind: step, ...subject, atMs: clock.nowMs(), file, bytes, durationMs, via: "tftp" });
  }

  async #openOwn({ machine, file }: OwnPath, family: IpFamily): Promise<File | undefined> {
    switch (file.kind) {
      case "script": {
        const asker: Asker = { dialect: file.dialect, via: "tftp", family };
        return this.#fromText(this.#parts.desk.beginBoot(machine, asker));
      }
      case "loader": {
        return await this.#openLoader(machine, file.name);
      }
      case "overlay": {
        const { node } = this.#begun(machine, file.nonce, "overlay");
        return this.#parts.fromBytes(await overlayOf(this.#parts, node, file.nonce));
      }
      case "image-file": {
        return await this.#openImageFile(machine, file);
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

  #begun(machine: BootIdentity, nonce: string, file: BootFile): ReturnType<typeof bootOf> {
    const begun = bootOf(this.#parts, machine, nonce);
    this.#parts.desk.begins(begun.node, file);
    return begun;
  }

  async #openImageFile(
    machine: BootIdentity,
    { nonce, file, image: reference }: Extract<OwnPath["file"], { kind: "image-file" }>,
  ): Promise<File | undefined> {
    const { subject } = this.#begun(machine, nonce, file);
    const image = this.#imageOf(reference, subject, file);
    const opened = await this.#parts.openImageFile(image[file]);
    if (opened === undefined) this.#refuse(subject, file, `${image[file]} is missing`);
    return opened;
  }

  #imageOf(reference: string, subject: Subject, step: "kernel" | "initrd"): ImageVersion {
    try {
      return imageOf(this.#parts.catalog, reference);
    } catch (error) {
      this.#refuse(subject, step, messageOf(error));
      throw error;
    }
  }

  #refuse(subject: Subject, step: "loader" | "kernel" | "initrd", message: string): void {
    const { record, clock } = this.#parts;
    record({ kind: "refused", ...subject, atMs: clock.nowMs(), step, message });
  }

  #fromText(text: string): File {
    return this.#parts.fromBytes(Buffer.from(text));
  }
}

/** The step of the boot, and what of it was fetched, as HTTP words it. */
function stepOf(file: Exclude<OwnPath["file"], { kind: "script" }>): {
  step: "loader" | "overlay" | "kernel" | "initrd";
  file: string;
} {
  switch (file.kind) {
    case "loader": {
      return { step: file.kind, file: file.name };
    }
    case "overlay": {
      return { step: file.kind, file: file.kind };
    }
    case "image-file": {
      return { step: file.file, file: file.image };
    }
  }
}
