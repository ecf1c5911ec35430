import { type Architecture, loaderOf } from "../model/arch.ts";
import { identityOf } from "../model/boot-identity.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Client6, Request6 } from "./client.ts";
import { vendorClassOption } from "./option-values.ts";
import { type Option6, optionCodes } from "./packet.ts";
import type { Site6 } from "./site.ts";

/** What a client is told to boot. */
export type BootAnswer6 =
  /** A running system, or a machine that is given an address only. */
  { kind: "none" } | { kind: "no-loader"; architecture: Architecture } | { kind: "url"; url: string };

/** Loader for firmware, script for iPXE; whose machine it is stands in the URL, so the port must be known. */
export function bootAnswer6(request: Request6, node: ClusterNode | undefined, site: Site6): BootAnswer6 {
  const { client } = request;
  // A machine that shows no port of its own boots as the first of its node's.
  const mac = request.mac ?? node?.macs[0];
  if (client.kind === "system" || mac === undefined) return { kind: "none" };
  if (node === undefined && site.unknownMachines !== "wait") return { kind: "none" };
  const machine = identityOf(mac, node);
  if (client.kind === "ipxe") return { kind: "url", url: site.urls.script(machine) };
  const { architecture, transport } = client;
  const file = loaderOf(architecture, site.loaderFor(node));
  if (file === undefined) return { kind: "no-loader", architecture };
  const { tftpLoader, loader } = site.urls;
  const urlOf = transport === "http" ? loader : tftpLoader;
  return { kind: "url", url: urlOf(machine, file) };
}

/**
 * The answer as options. EDK2's HTTP Boot takes a reply for its own only when the vendor class says so (HttpBootDhcp6.c).
 * Its PXE client wants none: one that says PXEClient sends it to port 4011 for the file, whatever URL is there (PxeBcDhcp6.c).
 */
export function bootOptions6(answer: BootAnswer6, client: Client6): Option6[] {
  if (answer.kind !== "url") return [];
  const file: Option6 = { code: optionCodes.bootFileUrl, value: Buffer.from(answer.url, "latin1") };
  if (client.kind !== "firmware" || client.transport !== "http") return [file];
  return [file, vendorClassOption(client.enterprise, "HTTPClient")];
}
