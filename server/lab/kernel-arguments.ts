import type { Accelerator } from "./qemu.ts";

/** The console that `lab console` shows. */
const console = "console=ttyS0,115200";

/** What makes a boot bearable where every instruction is emulated; real machines do not care. */
const emulated = [
  "mitigations=off",
  "audit=0",
  "init_on_alloc=0",
  "quiet",
  "systemd.show_status=0",
  "provision.hide_libbpf",
];

/** Kernel arguments of every node of a lab. */
export function labKernelArguments(accelerator: Accelerator): readonly string[] {
  return accelerator === "tcg" ? [console, ...emulated] : [console];
}
