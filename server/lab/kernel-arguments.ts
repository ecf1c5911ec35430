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
  "nowatchdog",
  "rcupdate.rcu_expedited=1",
  // Without `bpf` among the security modules systemd does not load its BPF program, which the verifier reads for 20 s.
  "lsm=landlock",
  "provision.hide_libbpf",
  // Hardware that a diskless virtual machine does not have, or has no use for.
  "module_blacklist=kvm_amd,kvm,ata_piix,ahci,libata,pcspkr,floppy,i2c_piix4,i2c_i801,psmouse,rpcsec_gss_krb5",
];

/** Kernel arguments of every node of a lab. */
export function labKernelArguments(accelerator: Accelerator): readonly string[] {
  return accelerator === "tcg" ? [console, ...emulated] : [console];
}
