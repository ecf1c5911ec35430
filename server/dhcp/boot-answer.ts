import { type Architecture, loaderOf, raspberryPi } from "../model/arch.ts";
import { identityOf } from "../model/boot-identity.ts";
import type { ClusterNode } from "../model/node.ts";
import type { DhcpRequest } from "./client.ts";
import { option, optionOf } from "./option-table.ts";
import { type DhcpPacket, fileBytes, noAddress } from "./packet.ts";
import { piVendorOptions } from "./raspberry-pi.ts";
import type { BootSite } from "./site.ts";

/** What a client is told to boot. */
export type BootAnswer =
  /** A running system, or a machine that is given an address only. */
  | { kind: "none" }
  | { kind: "no-loader"; architecture: Architecture }
  | { kind: "tftp"; file: string; pxe: boolean }
  | { kind: "http"; url: string }
  | { kind: "script"; url: string }
  /** It knows the names of its files; all it needs is the server's address and its own name in option 43. */
  | { kind: "raspberry-pi" };

/** The part of a reply that boots. */
export type BootFields = Pick<DhcpPacket, "siaddr" | "file"> & { options: [number, Uint8Array][] };

/** PXE 2.1 table 2-1, tag 6 with bit 3: take the boot file of this very packet, ask no boot server, show no menu. */
const pxeUseThisFile = new Map([[6, Uint8Array.of(8)]]);
/**
 * iPXE's `no-pxedhcp` (ipxe/dhcp.h, DHCP_EB_NO_PXEDHCP): do not wait for a proxyDHCP server. Without it iPXE sends a
 * second DISCOVER and asks for the address only about 3 s after our offer.
 */
const ipxeNoProxy = new Map([[176, Uint8Array.of(1)]]);

/** Loader for firmware, script for iPXE; an iPXE that cannot do HTTP gets one that can. */
export function bootAnswer(
  request: Pick<DhcpRequest, "client" | "mac">,
  node: ClusterNode | undefined,
  site: BootSite,
): BootAnswer {
  const { client } = request;
  if (client.kind === "system") return { kind: "none" };
  if (node === undefined && site.unknownMachines !== "wait") return { kind: "none" };
  const machine = identityOf(request.mac, node);
  if (client.kind === "ipxe" && client.http) return { kind: "script", url: site.urls.script(machine) };
  const { architecture } = client;
  if (architecture === raspberryPi && site.raspberryPiDirectory !== undefined)
    return { kind: "raspberry-pi" };
  const loader = loaderOf(architecture, client.kind === "ipxe" ? "ipxe" : site.loaderFor(node));
  if (loader === undefined) return { kind: "no-loader", architecture };
  if (client.kind === "firmware" && client.transport === "http") {
    return { kind: "http", url: site.urls.loader(machine, loader) };
  }
  return {
    kind: "tftp",
    file: site.urls.loaderPath(machine, loader),
    pxe: client.kind === "firmware",
  };
}

/** The name or address that is fetched, for events. */
export function bootFileOf(answer: BootAnswer): string | undefined {
  switch (answer.kind) {
    case "none":
    case "no-loader":
    case "raspberry-pi": {
      return undefined;
    }
    case "tftp": {
      return answer.file;
    }
    case "http":
    case "script": {
      return answer.url;
    }
  }
}

/** The answer as header fields and options. */
export function bootFields(answer: BootAnswer, site: BootSite): BootFields {
  switch (answer.kind) {
    case "none":
    case "no-loader": {
      return { siaddr: noAddress, file: "", options: [] };
    }
    case "tftp": {
      return {
        siaddr: site.address,
        file: answer.file,
        options: [...(answer.pxe ? pxeOptions() : [ipxeOption()]), ...byTftp(answer.file, site)],
      };
    }
    case "http": {
      // EDK2's HTTP Boot takes only replies that say `HTTPClient` (UEFI 2.10 section 24.7.3).
      const httpClass: [number, Uint8Array] = [...optionOf(option.vendorClass, "HTTPClient")];
      return byUrl(answer.url, site, httpClass);
    }
    case "script": {
      return byUrl(answer.url, site, ipxeOption());
    }
    case "raspberry-pi": {
      return {
        siaddr: site.address,
        file: "",
        options: [
          pxeClass(),
          [...optionOf(option.vendorOptions, piVendorOptions)],
          [...optionOf(option.tftpServer, site.address)],
        ],
      };
    }
  }
}

/**
 * The answer of a server that gives no address, beside one that does: on port 67, and on 4011 where that is asked. None
 * where there is nothing to boot: such a server has then nothing to say.
 */
export function proxyFields(
  answer: BootAnswer,
  architecture: Architecture,
  site: BootSite,
): BootFields | undefined {
  switch (answer.kind) {
    case "none":
    case "no-loader": {
      return undefined;
    }
    case "tftp": {
      // EDK2 drops a proxy's offer that has PXE's discovery options (PxeBcDhcp4.c, PxeBcCacheDhcp4Offer keeps such an
      // offer only if it has one already). One with `PXEClient` alone sends it to port 4011 of `siaddr`.
      const isInline = answer.pxe && architecture.family !== "uefi";
      return {
        siaddr: site.address,
        file: answer.file,
        options: [...(isInline ? pxeOptions() : [pxeClass()]), ...byTftp(answer.file, site)],
      };
    }
    case "script": {
      // iPXE takes for a proxy's only what says `PXEClient` (dhcp.c, dhcp_discovery_rx).
      return byUrl(answer.url, site, pxeClass());
    }
    case "http":
    case "raspberry-pi": {
      return bootFields(answer, site);
    }
  }
}

function byTftp(file: string, site: BootSite): [number, Uint8Array][] {
  return [
    [...optionOf(option.tftpServer, site.address)],
    // With a NUL at the end: PXE ROMs that ignore the option's length ask TFTP for `file\xff` otherwise (Intel and
    // Lenovo firmware of the 2010s); the RFC has every receiver strip it (RFC 2132 section 2).
    [...optionOf(option.bootFile, `${file}\0`)],
  ];
}

/** The URL in option 67, and in `file` too where it fits. */
function byUrl(url: string, site: BootSite, extra: [number, Uint8Array]): BootFields {
  return {
    siaddr: site.address,
    file: url.length < fileBytes ? url : "",
    options: [extra, [...optionOf(option.bootFile, url)]],
  };
}

/**
 * With `PXEClient` and tag 43 EDK2 takes the reply for a complete PXE offer and prefers it to all others; with
 * `PXEClient` alone it would go and ask port 4011 (PxeBcDhcp4.c, PxeBcParseDhcp4Packet).
 */
function pxeOptions(): [number, Uint8Array][] {
  return [pxeClass(), [...optionOf(option.vendorOptions, pxeUseThisFile)]];
}

function pxeClass(): [number, Uint8Array] {
  return [...optionOf(option.vendorClass, "PXEClient")];
}

function ipxeOption(): [number, Uint8Array] {
  return [...optionOf(option.ipxe, ipxeNoProxy)];
}
