import type * as api from "../../../server/model/answers.ts";
import type { ImageVersion } from "../../../server/model/image.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";

export const upNode: api.NodeAnswer = {
  name: "n001",
  macs: ["52:54:00:00:00:01", "52:54:00:00:01:01"],
  ip: "10.9.0.2",
  groups: ["compute", "gpu"],
  effectiveImage: "debian-13@20261122-3f9a1c04",
  imageFrom: "site",
  effectiveLoader: "grub",
  loaderFrom: "group compute",
  kernelArguments: ["loglevel=7"],
  uuid: "0a0b0c0d-0000-0000-0000-000000000001",
  clientIds: ["01:52:54:00:00:00:01"],
  relayPort: "sw1/ge-0/0/1",
  options: [{ code: 42, name: "ntp-servers", value: "10.9.0.1, 10.9.0.9" }],
  phase: "up",
  phaseSinceMs: Date.now() - 3_600_000,
  lastHeartbeatMs: Date.now() - 1000,
  hardware: {
    cpu: { model: "Test CPU", sockets: 1, cores: 2, threads: 4, mhz: 2400 },
    memoryBytes: 512 * 1024 * 1024,
    nics: [
      {
        name: "ens3",
        mac: "52:54:00:00:00:01",
        driver: "virtio_net",
        pciAddress: "0000:00:03.0",
        pciId: "1af4:1000",
        port: 0,
        linkUp: true,
        speedMbps: 1000,
      },
      { name: "ens4", mac: "52:54:00:00:01:01", driver: "tulip", port: 2, linkUp: false },
    ],
    disks: [{ name: "vda", bytes: 18e9, model: "SCSI disk", rotational: true, path: "pci-0000:00:05.0" }],
    kernel: "6.12.0-test",
    uuid: "0a0b0c0d-0000-0000-0000-000000000001",
    vendor: "QEMU",
    product: "Standard PC",
    firmware: "uefi",
  },
  load: { average: [0.5, 0.25, 0.125], runnable: 2, memoryAvailableBytes: 400 * 1024 * 1024, cpuBusy: 0.42 },
  sshHostKey: "ssh-ed25519 AAAAC3Nz n001",
  machineId: "0123456789abcdef0123456789abcdef",
  addedAtMs: Date.UTC(2026, 10, 22, 12, 0, 0),
};

export const newNode: api.NodeAnswer = {
  name: "n002",
  macs: [],
  ip: "10.9.0.3",
  groups: [],
  image: "debian-13",
  effectiveImage: "debian-13",
  imageFrom: "node",
  effectiveLoader: "ipxe",
  loaderFrom: "site",
  kernelArguments: [],
  clientIds: [],
  options: [],
  phase: "new",
  sshHostKey: "ssh-ed25519 AAAAC3Nz n002",
  machineId: "0123456789abcdef0123456789abcdee",
  addedAtMs: Date.UTC(2026, 10, 22, 12, 0, 0),
};

export const status: api.StatusAnswer = {
  version: "0.1.0",
  running: true,
  pid: 4711,
  startedAtMs: Date.UTC(2026, 10, 22, 12, 0, 0),
  loaders: ["ipxe"],
  config: "/etc/provision/provision.yaml",
  interface: "eth9",
  address: "10.9.0.1",
  subnet: "10.9.0.0/24",
  networks: [{ subnet: "10.9.2.0/24", wire: "rack2", pool: "10.9.2.200-10.9.2.250" }],
  pool: "10.9.0.200-10.9.0.250",
  parts: [
    {
      name: "dhcp",
      state: "running",
      detail: "port 67 on eth9",
      counters: { offers: 3, ignored: 1, naks: 0 },
    },
    { name: "nfs", state: "running", detail: "NFS-Ganesha", counters: {} },
  ],
  nodes: { up: 1, new: 1 },
  unknownMachines: 1,
  leases: 2,
  images: 1,
};

export const image: ImageVersion = {
  name: "debian-13",
  version: "20261122-3f9a1c04",
  architecture: "amd64",
  root: "/images/root",
  kernel: "/images/vmlinuz",
  initrd: "/images/initrd",
  kernelVersion: "6.12.48+deb13-amd64",
  kernelArguments: [],
  builtAtMs: Date.now() - 7_200_000,
  inputsDigest: "3f9a1c04",
  current: true,
  bytes: 380 * 1024 * 1024,
};

export const lease: api.LeaseAnswer = {
  ip: "10.9.0.201" as Ipv4,
  client: "mac:52:54:00:00:00:07",
  mac: "52:54:00:00:00:07" as Mac,
  hostname: "printer",
  state: "bound",
  startedAtMs: Date.now(),
  expiresAtMs: Date.now() + 3_590_000,
  origin: "pool",
  expired: false,
};

export function event(sequence: number, node: string, words: string): api.EventAnswer {
  return {
    sequence,
    node,
    boot: 1,
    text: words,
    mac: "52:54:00:00:00:01" as Mac,
    atMs: Date.UTC(2026, 10, 22, 12, 0, sequence),
    kind: "up",
  };
}

export const why: api.WhyAnswer = {
  subject: "n001",
  phase: "kernel",
  summary: "n001 stopped after its kernel was sent, 40 s ago",
  steps: [
    {
      step: "offered",
      state: "done",
      atMs: Date.UTC(2026, 10, 22, 12),
      sinceStartMs: 0,
      text: "10.9.0.2 to its firmware",
    },
    {
      step: "kernel",
      state: "done",
      atMs: Date.UTC(2026, 10, 22, 12, 0, 4),
      sinceStartMs: 4200,
      bytes: 12_582_912,
      durationMs: 1500,
      text: "vmlinuz by http",
    },
    { step: "initrd", state: "missing", text: "never asked for" },
  ],
  findings: ["the initrd /images/initrd is missing"],
  tryNext: ["provision build-image debian-13 --force"],
};

export const render: api.RenderAnswer = {
  node: "n001",
  image: "debian-13@20261122-3f9a1c04",
  dhcp: [
    {
      client: "bios firmware",
      options: [
        { name: "boot file", value: "undionly.kpxe" },
        { name: "host name", value: "n001" },
      ],
    },
  ],
  bootScript: "#!ipxe\nkernel vmlinuz\nboot\n",
  kernelArguments: "root=nfs4:10.9.0.1:/node:ro ip=dhcp",
  files: [
    { path: "/etc/hostname", mode: "0644", bytes: 5, text: "n001\n", secret: false },
    { path: "/etc/ssh/ssh_host_ed25519_key", mode: "0600", bytes: 400, secret: true },
    { path: "/usr/lib/provision/agent.js", mode: "0644", bytes: 40_960, secret: false },
  ],
};

export function changed(answer: Partial<api.ChangeAnswer>): api.ChangeAnswer {
  return { dryRun: false, changed: [], unchanged: [], failed: [], lines: [], ...answer };
}
