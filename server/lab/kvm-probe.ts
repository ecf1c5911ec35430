import { accessSync, constants, rmSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import type { Accelerator } from "./qemu.ts";

export type Acceleration = { accelerator: Accelerator; reason: string };

/** What the boot sector below makes QEMU exit with: (value << 1) | 1. */
const provenStatus = 33;

/** A processor that runs firmware itself needs a fifth of a second; one that only pretends takes longer or for ever. */
const probeMs = 3000;

/**
 * Whether KVM can be used: /dev/kvm may be there and still hang in real mode, where every firmware starts, so a boot
 * sector is booted with it. `qemu` is run inside the lab's namespace and `file` lies in its directory, so that both go
 * with the lab whatever happens.
 */
export async function probeAcceleration(qemu: readonly string[], file: string): Promise<Acceleration> {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return { accelerator: "tcg", reason: "there is no /dev/kvm" };
  }
  writeFileSync(file, bootSector());
  const [program = "", ...args] = [...qemu, ...probeArguments(file)];
  const result = await execa(program, args, {
    timeout: probeMs,
    killSignal: "SIGKILL",
    reject: false,
    stdin: "ignore",
  });
  rmSync(file);
  return verdict(result);
}

export function verdict(result: {
  timedOut: boolean;
  exitCode?: number | undefined;
  stderr: string;
}): Acceleration {
  if (result.exitCode === provenStatus) return { accelerator: "kvm", reason: "KVM booted a test sector" };
  const why = result.timedOut
    ? `KVM did not get through a test sector within ${probeMs / 1000} s`
    : `KVM failed on a test sector: ${lastLine(result.stderr)}`;
  return { accelerator: "tcg", reason: why };
}

/** What QEMU said last, without its name and not at any length. */
function lastLine(stderr: string): string {
  const line = stderr.trim().split("\n").at(-1) ?? "";
  return line.replace(/^qemu-system-\S+: /, "").slice(0, 120);
}

function probeArguments(image: string): string[] {
  return [
    ["-accel", "kvm", "-cpu", "host", "-m", "32", "-machine", "pc"],
    ["-no-user-config", "-nodefaults", "-display", "none"],
    ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
    ["-drive", `if=ide,format=raw,readonly=on,file=${image}`],
  ].flat();
}

/** `mov dx,0xf4; mov al,16; out dx,al; hlt`, and the BIOS's signature. */
export function bootSector(): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set([0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4]);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
