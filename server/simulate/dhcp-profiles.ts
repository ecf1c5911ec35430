import { option, optionOf } from "../dhcp/option-table.ts";
import { type Mac, macToBytes } from "../lib/mac.ts";

/** How one kind of DHCP client talks: what its messages hold, and when it loses patience. */
export type DhcpProfile = {
  /** For the transcript. */
  name: string;
  /** `secs` of the n-th message, the first being 0. */
  secs: (message: number) => number;
  /** Until a DISCOVER is repeated, one entry an attempt; after the last the client gives up. */
  discoverWaitsMs: readonly number[];
  requestWaitsMs: readonly number[];
  /** Between an OFFER and its REQUEST: firmware collects further offers. */
  chooseMs: number;
  discover: (machine: ProfileMachine) => readonly Entry[];
  /** Besides the server's identifier and the address asked for. */
  request: (machine: ProfileMachine) => readonly Entry[];
};

/** `uuid`: option 97 as on the wire, 17 bytes. */
export type ProfileMachine = { mac: Mac; uuid: Uint8Array };

type Entry = readonly [number, Uint8Array];

/** PXE 2.1 section 2.2.4, and EDK2's DHCP4_CALLBACK defaults: 4, 8, 16 and 32 s. */
const pxeWaitsMs = [4000, 8000, 16_000, 32_000];

/** ipxe/dhcp.h: DISCOVER after 1 s and up to 10 s, REQUEST at once and up to 10 s, each doubled. */
const ipxeDiscoverWaitsMs = [1000, 2000, 4000, 8000, 10_000];
const ipxeRequestWaitsMs = [250, 500, 1000, 2000, 4000, 8000];

/** Without jitter, RFC 2131 section 4.1 (sd-dhcp-client.c). */
const systemWaitsMs = [2000, 4000, 8000, 16_000, 32_000];

const pxeVendorParameters = [128, 129, 130, 131, 132, 133, 134, 135];

const edk2Parameters = [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59];

const ipxeParameters = [1, 3, 6, 7, 12, 15, 17, 26];
const ipxeBootParameters = [43, 60, 66, 67, 119, ...pxeVendorParameters, 175, 203];

/** Options of RFC 4578, as every PXE and HTTP Boot firmware sends them. */
function firmware(
  machine: ProfileMachine,
  transport: string,
  arch: number,
  undi: readonly number[],
): Entry[] {
  const [type = 0, major = 0, minor = 0] = undi;
  const number = (value: number, digits: number): string => String(value).padStart(digits, "0");
  const vendorClass = `${transport}:Arch:${number(arch, 5)}:UNDI:${number(major, 3)}${number(minor, 3)}`;
  return [
    optionOf(option.vendorClass, vendorClass),
    optionOf(option.machineUuid, machine.uuid),
    optionOf(option.architectures, [arch]),
    optionOf(option.networkInterface, { type, major, minor }),
  ];
}

/** The ROM of a network card as Intel's boot agent talks; `undi`: UNDI 2.1. */
const romPxe: DhcpProfile = {
  name: "PXE ROM",
  secs: () => 4,
  discoverWaitsMs: pxeWaitsMs,
  requestWaitsMs: pxeWaitsMs,
  chooseMs: 0,
  discover: (machine) => [
    optionOf(option.maxMessageBytes, 1260),
    optionOf(option.parameters, [
      1,
      2,
      3,
      5,
      6,
      11,
      12,
      13,
      15,
      16,
      17,
      18,
      43,
      54,
      60,
      67,
      ...pxeVendorParameters,
    ]),
    ...firmware(machine, "PXEClient", 0, [1, 2, 1]),
  ],
  request: (machine) => romPxe.discover(machine),
};

/** OVMF's PXE client (pcap uefi-ovmf-pxe-snponly): 3.6 s between OFFER and REQUEST, and 65280 in the REQUEST. */
const edk2Pxe: DhcpProfile = {
  name: "EDK2 PXE",
  secs: () => 0,
  discoverWaitsMs: pxeWaitsMs,
  requestWaitsMs: pxeWaitsMs,
  chooseMs: 3600,
  discover: (machine) => edk2PxeOptions(machine, 1472),
  request: (machine) => edk2PxeOptions(machine, 65_280),
};

function edk2PxeOptions(machine: ProfileMachine, maxMessageBytes: number): Entry[] {
  return [
    optionOf(option.maxMessageBytes, maxMessageBytes),
    optionOf(option.parameters, [...edk2Parameters, 60, 66, 67, 97, ...pxeVendorParameters]),
    ...firmware(machine, "PXEClient", 7, [1, 3, 0]),
  ];
}

/** OVMF's HTTP Boot (pcap uefi-httpboot-snponly). */
const edk2Http: DhcpProfile = {
  name: "EDK2 HTTP Boot",
  secs: () => 0,
  discoverWaitsMs: pxeWaitsMs,
  requestWaitsMs: pxeWaitsMs,
  chooseMs: 3700,
  discover: (machine) => [
    optionOf(option.maxMessageBytes, 1472),
    optionOf(option.parameters, [...edk2Parameters, 60, 235, 67, 97]),
    ...firmware(machine, "HTTPClient", 16, [1, 3, 0]),
  ],
  request: (machine) => edk2Http.discover(machine),
};

function ipxeOptions(
  machine: ProfileMachine,
  arch: number,
  undi: readonly number[],
  features: Entry[],
): Entry[] {
  const efi = arch !== 0;
  return [
    optionOf(option.maxMessageBytes, 1472),
    optionOf(option.clientId, Uint8Array.of(1, ...macToBytes(machine.mac))),
    // The bare text, without the lengths of RFC 3004.
    [option.userClass.code, Buffer.from("iPXE")],
    optionOf(option.ipxe, new Map(features)),
    optionOf(option.parameters, [...ipxeParameters, ...(efi ? [42] : []), ...ipxeBootParameters]),
    ...firmware(machine, "PXEClient", arch, undi),
  ];
}

/** Features by number, as ipxe/features.h has them: all of value 1 but 16, whose value is 2. */
function features(busId: string, codes: readonly number[]): Entry[] {
  return [
    [177, Buffer.from(busId, "hex")],
    [235, Uint8Array.of(1, 0, 0)],
    ...codes.map((code): Entry => [code, Uint8Array.of(code === 16 ? 2 : 1)]),
  ];
}

/** undionly.kpxe (pcap bios-ipxe-rom-2019): a REQUEST at once, since our offers carry `no-pxedhcp`. */
const ipxeBios: DhcpProfile = {
  name: "iPXE (BIOS)",
  // Four and up: some switches forward only what has waited (ipxe/dhcp.c).
  secs: (message) => 4 + 6 * message,
  discoverWaitsMs: ipxeDiscoverWaitsMs,
  requestWaitsMs: ipxeRequestWaitsMs,
  chooseMs: 0,
  discover: (machine) =>
    ipxeOptions(
      machine,
      0,
      [1, 2, 1],
      features("018086100e", [23, 34, 19, 17, 39, 25, 41, 16, 33, 21, 24, 18]),
    ),
  request: (machine) => ipxeBios.discover(machine),
};

/** snponly.efi (pcap uefi-httpboot-snponly). */
const ipxeEfi: DhcpProfile = {
  ...ipxeBios,
  name: "iPXE (EFI)",
  discover: (machine) =>
    ipxeOptions(machine, 7, [1, 3, 10], features("011af41000", [38, 23, 39, 36, 19, 20, 17, 41, 21, 18])),
  request: (machine) => ipxeEfi.discover(machine),
};

/** systemd-networkd in the initrd, which takes an ACK for an answer to its DISCOVER (RFC 4039). */
const networkd: DhcpProfile = {
  name: "systemd-networkd",
  secs: () => 1,
  discoverWaitsMs: systemWaitsMs,
  requestWaitsMs: systemWaitsMs,
  chooseMs: 0,
  discover: (machine) => [...networkdOptions(machine), optionOf(option.rapidCommit, new Uint8Array())],
  request: (machine) => networkdOptions(machine),
};

function networkdOptions({ mac }: ProfileMachine): Entry[] {
  return [
    optionOf(option.maxMessageBytes, 1472),
    optionOf(option.clientId, Uint8Array.of(1, ...macToBytes(mac))),
    optionOf(option.parameters, [1, 3, 6, 12, 15, 17, 33, 42, 114, 120, 121, 162]),
  ];
}

export const dhcpProfiles = { romPxe, edk2Pxe, edk2Http, ipxeBios, ipxeEfi, networkd } as const;
