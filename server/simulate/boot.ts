import { option, readOption } from "../dhcp/option-table.ts";
import { type DhcpPacket, noAddress } from "../dhcp/packet.ts";
import { DecodeError } from "../lib/errors.ts";
import { type Ipv4, parseIpv4 } from "../lib/ipv4.ts";
import { grub, pxelinux, shim } from "../model/arch.ts";
import { errorCodes } from "../tftp/packet.ts";
import { acquire, type Address } from "./dhcp-client.ts";
import { type DhcpProfile, dhcpProfiles } from "./dhcp-profiles.ts";
import { BootFailure, http, type Machine, note, phase, type Walk } from "./effects.ts";
import { checkReply, runScripts } from "./ipxe.ts";
import { runSystem } from "./system.ts";
import { edk2Tftp, fetchFile, probeSize, romTftp, type TftpProfile, TftpRefusal } from "./tftp-client.ts";

/** A whole boot, from the power button to the agent's first report. @throws BootFailure where it ends before */
export function* boot(machine: Machine): Walk {
  yield* loadLoader(machine);
  yield* phase("loader address");
  const profile = machine.firmware === "bios" ? dhcpProfiles.ipxeBios : dhcpProfiles.ipxeEfi;
  const { ack } = yield* acquire(profile, machine, machine.xids[1]);
  const url = bootFileOf(ack);
  if (!/^https?:\/\//.test(url)) {
    throw new BootFailure(
      url === ""
        ? "iPXE is given an address and nothing to boot: it would go on to the next boot device"
        : `iPXE is told to boot ${url}, which is no boot script's URL`,
      "provision show-node, and unknownMachines in the head's configuration",
    );
  }
  const loaded = yield* runScripts(machine, url);
  yield* runSystem(machine, loaded);
}

function* loadLoader(machine: Machine): Walk {
  yield* phase("address");
  switch (machine.firmware) {
    case "bios": {
      const address = yield* acquire(dhcpProfiles.romPxe, machine, machine.xids[0], hasBootFile);
      return yield* loadByTftp(machine, address, dhcpProfiles.romPxe, romTftp);
    }
    case "uefi": {
      const address = yield* acquire(dhcpProfiles.edk2Pxe, machine, machine.xids[0], hasBootFile);
      yield* loadByTftp(machine, address, dhcpProfiles.edk2Pxe, edk2Tftp);
      return yield* lookForAutoexec(address);
    }
    case "http": {
      const { ack } = yield* acquire(dhcpProfiles.edk2Http, machine, machine.xids[0], isHttpOffer);
      return yield* loadByHttp(machine, bootFileOf(ack));
    }
  }
}

function* loadByTftp(machine: Machine, address: Address, dhcp: DhcpProfile, tftp: TftpProfile): Walk {
  yield* phase("loader");
  const file = bootFileOf(address.ack);
  if (file === "") throw new BootFailure(`${dhcp.name}: acknowledged, but without a boot file`);
  yield* noteOtherLoader(file);
  const server = bootServerOf(address);
  const size = yield* probeSize(tftp, server, file);
  yield* note(`${tftp.name} asks for the size before it fetches: ${size ?? "not told"}`);
  if (!machine.files) return;
  const { bytes, blocks, blockBytes, window } = yield* fetchFile(tftp, server, file);
  if (size !== undefined && size !== bytes) {
    throw new BootFailure(`TFTP: ${file} was said to have ${size} bytes and ${bytes} came`);
  }
  yield* note(`${bytes} bytes in ${blocks} blocks of ${blockBytes}, ${window} in flight`, file);
}

/** The loader itself is fetched, whichever it is; what it does then is walked as iPXE does it. */
function* noteOtherLoader(file: string): Walk {
  const isOne = (...names: string[]): boolean => names.some((name) => file.endsWith(`/${name}`));
  const isPxelinux = isOne(pxelinux.bios);
  if (!isPxelinux && !isOne(...Object.values(grub), shim.x64)) return;
  yield* note(
    `this machine is given ${isPxelinux ? "PXELINUX" : "GRUB"}; from here on it is walked as an iPXE, which fetches the same files`,
  );
}

/** iPXE looks for a script of the user's beside itself before it asks by DHCP; where there is none it goes on. */
function* lookForAutoexec(address: Address): Walk {
  const file = bootFileOf(address.ack).replace(/[^/]*$/, "autoexec.ipxe");
  try {
    yield* probeSize(edk2Tftp, bootServerOf(address), file);
  } catch (error) {
    if (!(error instanceof TftpRefusal) || error.code !== errorCodes.fileNotFound) throw error;
  }
}

const edk2Headers = { "User-Agent": "UefiHttpBoot/1.0", Accept: "*/*", Connection: "keep-alive" };

/** HttpBootDxe asks for the length, then for the file; without a length it does not know how much memory to take. */
function* loadByHttp(machine: Machine, url: string): Walk {
  yield* phase("loader");
  yield* noteOtherLoader(url);
  const head = yield* http({ method: "HEAD", url, headers: edk2Headers, want: "count" });
  checkReply(url, head);
  if (head.lengthBytes === undefined) throw new BootFailure(`${url}: the head does not tell the length`);
  if (!machine.files) return;
  const reply = yield* http({ method: "GET", url, headers: edk2Headers, want: "count" });
  checkReply(url, reply);
}

/** The boot file of an answer: option 67, else the header's field. */
export function bootFileOf(packet: DhcpPacket): string {
  return textOf(packet, option.bootFile) ?? packet.file;
}

function hasBootFile(packet: DhcpPacket): boolean {
  return bootFileOf(packet) !== "" && textOf(packet, option.vendorClass) !== "HTTPClient";
}

/** UEFI 2.10 section 24.7.3: only what says `HTTPClient`. */
function isHttpOffer(packet: DhcpPacket): boolean {
  return textOf(packet, option.vendorClass)?.startsWith("HTTPClient") === true && bootFileOf(packet) !== "";
}

/** PXE firmware takes `siaddr`; where it is empty, option 66 if that is an address. */
function bootServerOf({ ack, server }: Address): Ipv4 {
  if (ack.siaddr !== noAddress) return ack.siaddr;
  return parseIpv4(textOf(ack, option.tftpServer) ?? "") ?? server;
}

function textOf(packet: DhcpPacket, row: typeof option.bootFile): string | undefined {
  try {
    return readOption(packet.options, row);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
