import { loaderFiles } from "../model/arch.ts";
import type { Clock } from "../lib/clock.ts";
import type { Record as RecordEvent, Subject } from "../model/boot-event.ts";
import { type BootIdentity, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { BootDesk } from "./boot-desk.ts";
import { readOwnPath } from "./boot-urls.ts";

export type TftpFilesParts<File> = {
  desk: BootDesk;
  directory: Directory;
  record: RecordEvent;
  clock: Clock;
  /** Opens a file below the loader directory and nowhere else. */
  openLoader: (path: string) => Promise<File | undefined>;
  fromText: (text: string) => File;
};

export type TftpFiles<File> = {
  /**
   * What TFTP serves: `boot/MACHINE/loader/FILE` and `boot/MACHINE/script.ipxe`, for a loader without HTTP, each known as that
   * machine's; and the loader directory's own files, for machines whose DHCP server is another.
   */
  open: (path: string) => Promise<File | undefined>;
  /** Notes a whole transfer of a machine's own file. */
  fetched: (path: string, bytes: number, durationMs: number) => void;
};

export function createTftpFiles<File>(parts: TftpFilesParts<File>): TftpFiles<File> {
  const subject = (machine: BootIdentity): Subject =>
    subjectOf(machine.mac, nodeOfIdentity(machine, parts.directory));
  const refuse = (machine: BootIdentity, name: string): void => {
    const { record, clock } = parts;
    record({
      kind: "refused",
      ...subject(machine),
      atMs: clock.nowMs(),
      step: "loader",
      message: `the boot loader ${name} is missing`,
    });
  };
  return {
    open: async (path) => {
      const own = readOwnPath(path);
      if (own === undefined) return parts.openLoader(path);
      if (own.file.kind === "script") return parts.fromText(parts.desk.beginBoot(own.machine));
      const file = await parts.openLoader(own.file.name);
      // Loaders look for further files beside themselves (iPXE: autoexec.ipxe); only what we name must be there.
      if (file === undefined && loaderFiles().includes(own.file.name)) refuse(own.machine, own.file.name);
      return file;
    },
    fetched: (path, bytes, durationMs) => {
      const own = readOwnPath(path);
      if (own === undefined || own.file.kind !== "loader") return;
      parts.record({
        kind: "loader",
        ...subject(own.machine),
        atMs: parts.clock.nowMs(),
        file: own.file.name,
        bytes,
        durationMs,
        via: "tftp",
      });
    },
  };
}
