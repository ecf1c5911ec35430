import { stringify } from "yaml";

/** What `provision init` knows when it writes a configuration; the rest keeps its default. */
export type ConfigValues = {
  interface: string;
  address: string;
  subnet: string;
  pool?: string;
  dhcpMode?: string;
  domain?: string;
  router?: string;
  dns?: readonly string[];
  leaseSeconds?: number;
  ipv6?: { address: string; dns?: readonly string[] };
  unknownMachines?: string;
  image?: string;
  imageStore?: string;
  stateDirectory?: string;
  socket?: string;
  sharedDirectory?: string;
  loader?: string;
  loaderDirectory?: string;
  raspberryPiDirectory?: string;
  authorizedKeys?: readonly string[];
  kernelArguments?: readonly string[];
  tftpSinglePort?: boolean;
  nfsBackend?: string;
  ports?: { dhcp?: number; bootServer?: number; tftp?: number; http?: number; nfs?: number };
};

type Entry = { key: string; value: unknown; fallback?: unknown; comment: string };

/** A commented configuration file. Settings left at their default are written as comments that show it. */
export function renderConfigFile(values: ConfigValues): string {
  return `# The head of a Provision cluster. Check changes with \`provision doctor\`; they take effect when the head starts.\n\n${entriesOf(
    values,
  )
    .map(renderEntry)
    .join("\n")}`;
}

function renderEntry({ key, value, fallback, comment }: Entry): string {
  const lines = comment.split("\n").map((line) => `# ${line}\n`);
  const set = value !== undefined;
  const body = stringify({ [key]: set ? value : fallback }, { lineWidth: 0 });
  return `${lines.join("")}${set ? body : body.replaceAll(/^(?=.)/gm, "# ")}`;
}

function entriesOf(values: ConfigValues): Entry[] {
  const ports = { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049, ...values.ports };
  return [
    {
      key: "interface",
      value: values.interface,
      comment: "The one network interface that is served. Nothing is answered on any other.",
    },
    { key: "address", value: values.address, comment: "The head's own address on that interface." },
    { key: "subnet", value: values.subnet, comment: "The network of the nodes." },
    {
      key: "dhcp",
      value: values.dhcpMode === undefined ? undefined : { mode: values.dhcpMode },
      fallback: { mode: "server", probe: "auto", broadcast: "asked" },
      comment:
        "server: the head gives out the addresses of this network.\nproxy: another DHCP server does; the head only tells machines what to boot (proxyDHCP).\nprobe: `off` offers addresses of pools without looking whether somebody uses them.\nbroadcast: `always` also answers machines so that do not ask for it by their DHCP flag, for firmware that should.",
    },
    {
      key: "pool",
      value: values.pool,
      fallback: "10.0.1.200-10.0.1.250",
      comment: "Addresses for machines that are not in the inventory. No node's address may lie in it.",
    },
    {
      key: "leaseSeconds",
      value: values.leaseSeconds,
      fallback: 3600,
      comment: "How long an address is handed out for, in seconds.",
    },
    {
      key: "domain",
      value: values.domain,
      fallback: "cluster.lan",
      comment: "Domain of the nodes' full names.",
    },
    {
      key: "router",
      value: values.router,
      fallback: values.address,
      comment: "Default route of the nodes. Left out: they have none.",
    },
    { key: "dns", value: values.dns, fallback: [], comment: "Name servers of the nodes." },
    {
      key: "networks",
      value: undefined,
      fallback: [{ subnet: "10.0.2.0/24", pool: "10.0.2.200-10.0.2.250", router: "10.0.2.1", wire: "rack2" }],
      comment:
        "Further networks, behind DHCP relays or on the interface's own wire. Networks with the same `wire` share a link;\nthe interface's own wire is called as the interface. dns, domain and leaseSeconds are the head's unless they are told.",
    },
    {
      key: "options",
      value: undefined,
      fallback: { "ntp-servers": "10.0.1.1" },
      comment:
        "DHCP options of every client, by name or number; networks may have their own. See: provision help options",
    },
    {
      key: "authoritative",
      value: undefined,
      fallback: true,
      comment:
        "Refuse addresses that are nobody's here. Not where another DHCP server shares these networks.",
    },
    {
      key: "ipv6",
      value: values.ipv6,
      fallback: { address: "fd77::1", dns: [] },
      comment:
        "IPv6 for firmware that boots by it: the head's own address on that interface, of a /64 that is the nodes'.\nLeft out: no DHCPv6.",
    },
    {
      key: "unknownMachines",
      value: values.unknownMachines,
      fallback: "wait",
      comment:
        "What a machine gets that is not in the inventory:\n  wait     an address, and a loader that waits until it is added\n  address  an address only\n  ignore   nothing",
    },
    {
      key: "image",
      value: values.image,
      fallback: "debian-13",
      comment: "What nodes boot that name no image, by themselves or through a group.",
    },
    {
      key: "imageStore",
      value: values.imageStore,
      fallback: "/var/lib/provision/images",
      comment: "Where images are kept; exported read-only.",
    },
    {
      key: "stateDirectory",
      value: values.stateDirectory,
      fallback: "/var/lib/provision",
      comment: "Database, its backups, and the NFS server's own files.",
    },
    {
      key: "socket",
      value: values.socket,
      fallback: "/run/provision/api.sock",
      comment: "Where the command line reaches the running head: root and the group `provision` only.",
    },
    {
      key: "sharedDirectory",
      value: values.sharedDirectory,
      fallback: "/srv/provision/shared",
      comment: "The directory that every node mounts read-write as /shared.",
    },
    {
      key: "loader",
      value: values.loader,
      fallback: "ipxe",
      comment:
        "What UEFI machines start: ipxe, grub (Debian's grub-efi-amd64-bin), or shim for Secure Boot (shim-signed and\ngrub-efi-amd64-signed). BIOS machines start ipxe, or pxelinux (pxelinux and syslinux-common).",
    },
    {
      key: "loaderDirectory",
      value: values.loaderDirectory,
      fallback: "/usr/lib/ipxe",
      comment: "Boot loaders: undionly.kpxe, snponly.efi.",
    },
    {
      key: "raspberryPiDirectory",
      value: values.raspberryPiDirectory,
      fallback: "/srv/provision/raspberry-pi",
      comment:
        "Boot files of Raspberry Pis (bootcode.bin, SERIAL/start4.elf, ...), given to them by TFTP. Left out: they boot nothing.",
    },
    {
      key: "authorizedKeys",
      value: values.authorizedKeys,
      fallback: [],
      comment: "Public keys that may log in as root on every node.",
    },
    {
      key: "kernelArguments",
      value: values.kernelArguments,
      fallback: [],
      comment: "Kernel arguments of every node.",
    },
    {
      key: "boot",
      value: undefined,
      fallback: { concurrent: 64, cacheMebibytes: 256 },
      comment:
        "How many machines fetch kernel and initrd at a time, the others waiting for their turn (64 fill 10 Gb/s with firmware that takes\n20 MB/s each, and at 1 Gb/s leave every one of them 1.8 MB/s); and the memory for the files that they fetch.",
    },
    {
      key: "tftp",
      value: values.tftpSinglePort === undefined ? undefined : { singlePort: values.tftpSinglePort },
      fallback: { singlePort: false },
      comment:
        "singlePort: TFTP sends files from the port of the requests, for firewalls that let no other through.",
    },
    {
      key: "nfs",
      value: values.nfsBackend === undefined ? undefined : { backend: values.nfsBackend },
      fallback: { backend: "auto" },
      comment:
        "The NFS server: kernel, ganesha, auto (the kernel's where it is available), or none (you run one yourself).",
    },
    {
      key: "ports",
      value: values.ports === undefined ? undefined : ports,
      fallback: ports,
      comment: "Ports of the services. Firmware expects 67, 4011 and 69.",
    },
  ];
}
