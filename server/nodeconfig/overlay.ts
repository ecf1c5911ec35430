import type { Templates } from "../template/engine.ts";
import { ClusterFiles } from "./cluster-files.ts";
import { type CpioEntry, newcArchive } from "./cpio.ts";
import { type NodeView, nodeView, type OverlayInput } from "./view.ts";

/** One file that a node gets of its own. */
export type OverlayFile = {
  /** `root`: laid onto the node's root by the initrd. `initrd`: for the initrd itself, gone when the root takes over. */
  place: "root" | "initrd";
  /** Absolute, as the node will have it: `/etc/hosts`. */
  path: string;
  mode: number;
  content: Uint8Array;
  /** Never shown by a command, never logged. */
  secret: boolean;
};

type Row = {
  path: string;
  /** `templates/node/<template>.hbs`. */
  template: string;
  place?: "initrd";
  /** Default 0644; 0600 where secret. */
  mode?: number;
  secret?: true;
  /** The same for every node (ClusterFiles): its template sees `head`, `domain` and `nodes` alone. */
  common?: true;
  /** Absent: every node has it. */
  when?: (view: NodeView) => boolean;
};

/** The rendered files. The keys and the agent are not rendered: they are what they are. */
const rows: readonly Row[] = [
  { path: "/provision/boot.env", template: "boot.env", place: "initrd", secret: true },
  { path: "/etc/hostname", template: "hostname" },
  { path: "/etc/hosts", template: "hosts", common: true },
  { path: "/etc/machine-id", template: "machine-id", mode: 0o444 },
  { path: "/etc/fstab", template: "fstab" },
  { path: "/etc/resolv.conf", template: "resolv.conf", when: ({ dns }) => dns.length > 0 },
  { path: "/etc/ssh/ssh_known_hosts", template: "ssh_known_hosts", common: true },
  // The image has a file of this name too, which this one replaces.
  { path: "/etc/ssh/sshd_config.d/provision.conf", template: "sshd.conf" },
  { path: "/root/.ssh/authorized_keys", template: "authorized_keys", mode: 0o600 },
  { path: "/etc/provision/agent.json", template: "agent.json", secret: true },
];

/** Where the archive has what goes onto the root; the image's dracut module copies it from there. */
const rootInArchive = "/provision/root";

/** Directories that are not 0755. Those that the image has keep its modes. */
const directoryModes: readonly { path: string; mode: number }[] = [
  { path: "/provision", mode: 0o700 },
  { path: `${rootInArchive}/root`, mode: 0o700 },
  { path: `${rootInArchive}/root/.ssh`, mode: 0o700 },
];

/** Every file of one node, made anew from the inventory but for those that all nodes get alike. */
export function overlayFiles(
  templates: Templates,
  input: OverlayInput,
  cluster: ClusterFiles = new ClusterFiles(),
): readonly OverlayFile[] {
  const view = nodeView(input, cluster);
  const rendered = rows
    .filter(({ when }) => when?.(view) ?? true)
    .map((row): OverlayFile => {
      const { path, template, place = "root", secret = false, mode = secret ? 0o600 : 0o644 } = row;
      const content =
        row.common === true
          ? cluster.content(templates, template, view, input.nodes)
          : Buffer.from(templates.render(template, view));
      return { place, path, mode, content, secret };
    });
  const { privateKey, publicKey } = input.sshHostKey;
  return [
    ...rendered,
    {
      place: "root",
      path: "/etc/ssh/ssh_host_ed25519_key",
      mode: 0o600,
      content: Buffer.from(`${privateKey.trimEnd()}\n`),
      secret: true,
    },
    publicFile("/etc/ssh/ssh_host_ed25519_key.pub", Buffer.from(`${publicKey.trimEnd()}\n`)),
    publicFile("/usr/lib/provision/agent.mjs", input.agentBundle),
  ];
}

function publicFile(path: string, content: Uint8Array): OverlayFile {
  return { place: "root", path, mode: 0o644, content, secret: false };
}

/** The files as a further initrd: the kernel unpacks it over the image's own. */
export function overlayArchive(files: readonly OverlayFile[]): Uint8Array {
  const entries: CpioEntry[] = files.map(({ place, path, mode, content }) => ({
    kind: "file",
    path: place === "root" ? rootInArchive + path : path,
    mode,
    content,
  }));
  const used = directoryModes.filter(({ path }) =>
    entries.some((entry) => entry.path.startsWith(`${path}/`)),
  );
  return newcArchive([
    ...used.map((directory) => ({ kind: "directory" as const, ...directory })),
    ...entries,
  ]);
}
