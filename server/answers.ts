import { planBoot } from "./boot/boot-plan.ts";
import { debianLoaderDirectories, type LoaderKind, loaderKinds } from "./model/arch.ts";
import { type Asker, ipxeAsker } from "./boot/boot-script.ts";
import { diskFaults } from "./boot/head-faults.ts";
import type { OpenCore, Running } from "./core.ts";
import { previewOptions, previewProxy } from "./dhcp/preview.ts";
import packageFile from "../package.json" with { type: "json" };
import { nodeAnswer } from "./http/answers.ts";
import { systemClock } from "./lib/clock.ts";
import { AppError } from "./lib/errors.ts";
import { formatIpv4Range, formatSubnet } from "./lib/ipv4.ts";
import { parseMac } from "./lib/mac.ts";
import type { NodeAnswer, RenderAnswer, StatusAnswer, WhyAnswer } from "./model/answers.ts";
import { inherited } from "./model/inherited.ts";
import type { ImageVersion } from "./model/image.ts";
import { networkOf } from "./model/network.ts";
import type { ClusterNode } from "./model/node.ts";
import { diagnose } from "./tracker/diagnosis.ts";

/** How the head is. */
export function statusOf(core: OpenCore, running: Running | undefined, leases: number): StatusAnswer {
  const { config, directory, tracker } = core;
  const nodes: Record<string, number> = {};
  for (const node of directory.nodes()) {
    const { phase } = tracker.stateOf(node);
    nodes[phase] = (nodes[phase] ?? 0) + 1;
  }
  return {
    version: packageFile.version,
    running: running !== undefined,
    pid: process.pid,
    startedAtMs: running?.startedAtMs ?? 0,
    config: config.file,
    interface: config.interface,
    address: config.address,
    subnet: formatSubnet(config.subnet),
    ...(config.networks[0].pools.length === 0
      ? {}
      : { pool: config.networks[0].pools.map(formatIpv4Range).join(", ") }),
    networks: config.networks.slice(1).map(({ subnet, wire, pools }) => ({
      subnet: formatSubnet(subnet),
      wire,
      ...(pools.length === 0 ? {} : { pool: pools.map(formatIpv4Range).join(", ") }),
    })),
    parts: running?.parts() ?? [],
    nodes,
    loaders: loadersInForce(core),
    unknownMachines: tracker.discovered().length,
    leases,
    images: core.catalog.list().length,
  };
}

/** Every loader that some machine is given. */
function loadersInForce({ directory, loaderFor }: OpenCore): LoaderKind[] {
  const kinds = new Set([undefined, ...directory.nodes()].map((node) => loaderFor(node)));
  return loaderKinds.filter((kind) => kinds.has(kind));
}

/** Nodes as the API shows them. Each image is looked for once: the store is on a disk. */
export async function nodeAnswers(core: OpenCore, nodes: readonly ClusterNode[]): Promise<NodeAnswer[]> {
  const { catalog, config, directory, tracker } = core;
  const images = new Map<string, ImageVersion | undefined>();
  const find = (reference: string): ImageVersion | undefined => {
    if (!images.has(reference)) images.set(reference, catalog.find(reference));
    return images.get(reference);
  };
  const hardware = await tracker.hardwareOf(nodes.map((node) => node.id));
  return nodes.map((node) =>
    nodeAnswer(node, {
      state: tracker.stateOf(node),
      load: tracker.loadOf(node),
      hardware: hardware.get(node.id),
      plan: planBoot(node, directory, { ...catalog, find }, config.image),
      loader: inherited("loader", node, directory, config),
    }),
  );
}

/** What the last boot of a node, or of a machine that is none, did. @throws AppError for a name that is neither */
export async function why(core: OpenCore, running: Running | undefined, subject: string): Promise<WhyAnswer> {
  const { directory, tracker } = core;
  const mac = parseMac(subject);
  const node = directory.byName(subject) ?? (mac === undefined ? undefined : directory.byMac(mac));
  if (node === undefined && mac === undefined) {
    throw new AppError("not-found", `there is no node ${subject}, and it is no MAC address`, {
      hint: "provision list-nodes",
    });
  }
  await tracker.flush();
  const boot = node === undefined ? tracker.lastBootOf(mac ?? ("" as never)) : tracker.lastBootOf(node);
  const events = boot === undefined ? [] : await core.bootStore.eventsOfBoot(boot.id);
  const state = node === undefined ? undefined : tracker.stateOf(node);
  const before = node === undefined ? undefined : core.desk.placeOf(node);
  const machine = tracker.discovered().find((seen) => seen.mac === mac);
  return diagnose({
    subject: node?.name ?? mac ?? subject,
    phase: state?.phase ?? (mac === undefined ? "new" : tracker.phaseOfMachine(mac)),
    phaseSinceMs: state?.phaseSinceMs ?? 0,
    ...(node === undefined ? {} : { node }),
    ...(machine === undefined ? {} : { machine }),
    ...(state?.lastHeartbeatMs === undefined ? {} : { lastHeartbeatMs: state.lastHeartbeatMs }),
    ...(before === undefined ? {} : { before }),
    events: events.map((recorded) => recorded.event),
    headFaults: [
      ...(running?.faults() ?? []),
      ...(node === undefined
        ? []
        : diskFaults(
            core.desk.planOf(node),
            [core.config.loaderDirectory, ...debianLoaderDirectories],
            core.loaderFor(node),
          )),
    ],
    unknownMachines: tracker.discovered(),
    headRuns: running !== undefined,
    nowMs: systemClock.nowMs(),
  });
}

/** As whom a node's loader asks when it came by TFTP, as most do. */
function askerOf(kind: LoaderKind): Asker {
  switch (kind) {
    case "ipxe": {
      return ipxeAsker;
    }
    case "grub":
    case "shim": {
      return { ...ipxeAsker, dialect: "grub", via: "tftp" };
    }
    case "pxelinux": {
      return { ...ipxeAsker, dialect: "pxelinux" };
    }
  }
}

/** Exactly what a node would be given. @throws AppError for an unknown one */
export async function render(core: OpenCore, name: string): Promise<RenderAnswer> {
  const { directory, desk } = core;
  const node = directory.byName(name);
  if (node === undefined)
    throw new AppError("not-found", `there is no node ${name}`, { hint: "provision list-nodes" });
  const { reference, image } = desk.planOf(node);
  const files = await core.overlay(node, "0".repeat(64));
  return {
    node: node.name,
    image: image === undefined ? reference : `${image.name}@${image.version}`,
    ...networkText(node, core),
    dhcp: dhcpPreviews(node, core),
    bootScript: desk.preview(node, askerOf(core.loaderFor(node))),
    kernelArguments: image === undefined ? "" : desk.argumentsOf(node, image).join(" "),
    files: files.map((file) => ({
      path: file.place === "root" ? file.path : `initrd:${file.path}`,
      mode: file.mode.toString(8).padStart(4, "0"),
      bytes: file.content.length,
      secret: file.secret,
      ...(file.secret || file.path.endsWith(".mjs")
        ? {}
        : { text: Buffer.from(file.content).toString("utf8") }),
    })),
  };
}

function networkText(node: ClusterNode, { config }: OpenCore): { network?: string } {
  const network = networkOf(node.ip, config.networks);
  return network === undefined ? {} : { network: `${formatSubnet(network.subnet)} on ${network.wire}` };
}

/**
 * What DHCP gives to each client of a node: both kinds of PC firmware, iPXE, and, where the head gives out addresses, the
 * running system.
 */
function dhcpPreviews(
  node: ClusterNode,
  { config, urls, loaderFor, directory }: OpenCore,
): RenderAnswer["dhcp"] {
  const site = { ...config, urls, loaderFor };
  const [bios = [], uefi = []] = ["bios", "uefi-x64"].map((firmware) =>
    (config.dhcp.mode === "proxy"
      ? previewProxy(node, site, firmware)
      : previewOptions(node, { site, directory }, firmware)
    ).map(({ client, options }) => ({
      client: client === "firmware" ? `firmware (${firmware})` : client,
      options: options.map(({ code, name, value, from }) => ({
        name: code === undefined ? name : `${code} ${name}`,
        value,
        ...(from === undefined ? {} : { from }),
      })),
    })),
  );
  return [...bios.slice(0, 1), ...uefi];
}
