import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { grub, grubModuleDirectory } from "../model/arch.ts";

/** Images that grub-mkimage can make of Debian's modules. */
const images = [
  { format: "x86_64-efi", file: grub.x64Http },
  { format: "arm64-efi", file: grub.arm64Http },
] as const;

/** What it takes to fetch by HTTP or TFTP, to run a script of ours and to start Linux; GRUB adds what these need. */
const modules = (
  "all_video boot configfile echo efinet halt http linux minicmd net normal reboot serial sleep terminal test " +
  "tftp true"
).split(" ");

/**
 * Runs before there is a language to loop in: asks beside the loader, where the machine's name is in the path, then at the
 * server's root; what is there never ends. A head that answers nothing for a minute is a reason to start anew.
 */
const firstCommands = `${"source $cmdpath/grub.cfg\nsource (http,$net_default_server)/grub/grub.cfg\nsleep 5\n".repeat(12)}reboot\n`;

/**
 * Makes a GRUB that can fetch by HTTP, for machines that were given it that way: the one of Debian 12 that is ready made
 * can not, and would end at its prompt. Where there is no GRUB on the head nothing is made, and that is told when it is
 * asked for.
 */
export async function makeGrubImages(directory: string, log: Log): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const commands = join(directory, "grub-first.cfg");
  writeFileSync(commands, firstCommands);
  for (const { format, file } of images) {
    const target = join(directory, file);
    const place = grubModuleDirectory(format);
    if (!existsSync(join(place, "http.mod"))) {
      rmSync(target, { force: true });
      continue;
    }
    const part = `${target}.unfinished`;
    const given = ["-O", format, "-d", place, "-p", "/grub", "-c", commands, "-o", part, ...modules];
    try {
      await execa("grub-mkimage", given, { stdin: "ignore", timeout: 30_000 });
      renameSync(part, target);
    } catch (error) {
      log.warn({ error: messageOf(error) }, `${file} could not be made: UEFI HTTP Boot has no GRUB`);
    }
  }
}
