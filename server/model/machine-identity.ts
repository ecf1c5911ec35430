import { parseMac } from "../lib/mac.ts";

/** By what a machine is known besides the MAC addresses of its ports. Each is a text in one canonical form. */

/** SMBIOS UUID as dmidecode(8) prints it: lower case, hyphens. */
export type Uuid = string & { readonly __brand: "Uuid" };

/** Option 61 as sent, in hexadecimal. */
export type ClientId = string & { readonly __brand: "ClientId" };

/** A switch port as a relay names it in option 82: remote id and circuit id in hexadecimal, a slash between. */
export type RelayPort = string & { readonly __brand: "RelayPort" };

/** Also without hyphens. Undefined for what names no machine: all zeros and all ones, as boards without a UUID have it. */
export function parseUuid(text: string): Uuid | undefined {
  const digits = text.trim().toLowerCase().replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/.test(digits) || /^(?:0+|f+)$/.test(digits)) return undefined;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") as Uuid;
}

/**
 * The same with the bytes of its first three fields the other way round. SMBIOS has them little-endian (2.6 section 7.2.1), DHCP
 * carries them so and DUIDs do not (RFC 6355 section 4), and firmware errs in all of it: it names the same machine.
 */
export function uuidTheOtherWayRound(uuid: Uuid): Uuid {
  const byte = (at: number): string => uuid.slice(at, at + 2);
  const first = byte(6) + byte(4) + byte(2) + byte(0);
  return `${first}-${byte(11)}${byte(9)}-${byte(16)}${byte(14)}${uuid.slice(18)}` as Uuid;
}

export function isSameUuid(left: Uuid, right: Uuid): boolean {
  return left === right || uuidTheOtherWayRound(left) === right;
}

/** The DUID in a client identifier of RFC 4361 section 6.1: 255, an association's number of four bytes, a DUID. */
export function duidOfClientId(id: ClientId): ClientId | undefined {
  return id.startsWith("ff") && id.length >= 16 ? (id.slice(10) as ClientId) : undefined;
}

/** Hexadecimal (`01:52:54:00:aa:00:01`, `hex:ff…`), or `text:` and the identifier itself; 2 to 255 bytes (RFC 2132 section 9.14). */
export function parseClientId(text: string): ClientId | undefined {
  const hex = text.startsWith("text:") ? hexOfText(text.slice(5)) : hexDigits(text.replace(/^hex:/, ""));
  return hex !== undefined && hex.length >= 4 && hex.length <= 510 ? (hex as ClientId) : undefined;
}

/** `01:52:54:…` */
export function clientIdText(id: ClientId): string {
  return (id.match(/../g) ?? []).join(":");
}

/**
 * `REMOTE/CIRCUIT`, each as text or `hex:…`. The first slash parts them: switches have slashes in their port names. A
 * remote id that is written like a MAC address means its six bytes, as most switches send it.
 */
export function parseRelayPort(text: string): RelayPort | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const [remote, circuit] = [idHex(text.slice(0, slash)), idHex(text.slice(slash + 1))];
  return remote === undefined || circuit === undefined ? undefined : (`${remote}/${circuit}` as RelayPort);
}

export function relayPortOf(remoteId: Uint8Array, circuitId: Uint8Array): RelayPort {
  return `${Buffer.from(remoteId).toString("hex")}/${Buffer.from(circuitId).toString("hex")}` as RelayPort;
}

/** As `parseRelayPort` reads it. */
export function relayPortText(port: RelayPort): string {
  const [remote = "", circuit = ""] = port.split("/");
  const mac = parseMac(remote);
  const remoteText = mac === undefined ? idText(remote, /^[!-.0-~]+$/) : mac;
  return `${remoteText}/${idText(circuit, /^[!-~](?:[ -~]*[!-~])?$/)}`;
}

/** The port `step` further on: the last number of the circuit id counts up, keeping its width. */
export function nextRelayPort(port: RelayPort, step: number): RelayPort | undefined {
  const counted = relayPortText(port).replace(/\d+(?=\D*$)/, (digits) =>
    String(Number(digits) + step).padStart(digits.length, "0"),
  );
  const next = parseRelayPort(counted);
  const [remote] = port.split("/");
  return next !== undefined && (step === 0 || next !== port) && next.startsWith(`${remote}/`)
    ? next
    : undefined;
}

function idHex(text: string): string | undefined {
  if (text.startsWith("hex:")) return hexDigits(text.slice(4));
  const mac = parseMac(text);
  return mac === undefined ? hexOfText(text.replace(/^text:/, "")) : mac.replaceAll(":", "");
}

/** The text where it is read back as the same, else hexadecimal. */
function idText(hex: string, plain: RegExp): string {
  const text = Buffer.from(hex, "hex").toString("latin1");
  return plain.test(text) && !text.includes(",") && idHex(text) === hex ? text : `hex:${hex}`;
}

function hexDigits(text: string): string | undefined {
  const digits = text.toLowerCase().replaceAll(":", "");
  return /^(?:[0-9a-f]{2}){1,255}$/.test(digits) ? digits : undefined;
}

function hexOfText(text: string): string | undefined {
  return /^[ -~]{1,255}$/.test(text) ? Buffer.from(text, "latin1").toString("hex") : undefined;
}
