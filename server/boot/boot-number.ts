import { timingSafeEqual } from "node:crypto";
import type { KeyedDigest } from "./keyed-digest.ts";

/**
 * The number of a boot, which stands in its URLs: when it began (milliseconds since 1970, 12 hexadecimal digits), 8 random
 * digits, and a seal that only a head with this key can have made for this node (HMAC-SHA-256, cut to 20 digits). So a
 * number says by itself that it was given out, and which of two is the newer: nothing has to be on a disk for that.
 */
export type NumberParts = { sequence: number; random: string };

const form = /^(?<body>[0-9a-f]{20})(?<seal>[0-9a-f]{20})$/;
const numberDigits = 40;

export function bootNumber(key: KeyedDigest, nodeId: number, { sequence, random }: NumberParts): string {
  const body = sequence.toString(16).padStart(12, "0") + random;
  return body + sealOf(key, nodeId, body);
}

/** True for a number that this head's key made for this node. */
export function isGenuine(key: KeyedDigest, nodeId: number, text: string): boolean {
  const found = form.exec(text)?.groups;
  return found !== undefined && equal(found["seal"] ?? "", sealOf(key, nodeId, found["body"] ?? ""));
}

/** When a boot began; of two of one node the newer has the larger. -1 for what cannot be one: older than every boot. */
export function sequenceOf(text: string): number {
  const sequence = text.length === numberDigits ? Number.parseInt(text.slice(0, 12), 16) : -1;
  return Number.isNaN(sequence) ? -1 : sequence;
}

/** The boot token: the number, and what nobody can make who has only seen the number. */
export function bootToken(key: KeyedDigest, nodeId: number, number: string): string {
  return number + key.of(`${nodeId} ${number}`);
}

/** The number of a genuine token. */
export function readToken(key: KeyedDigest, nodeId: number, token: string): string | undefined {
  const number = token.slice(0, numberDigits);
  return equal(token, bootToken(key, nodeId, number)) ? number : undefined;
}

function sealOf(key: KeyedDigest, nodeId: number, body: string): string {
  return key.of(`number ${nodeId} ${body}`).slice(0, 20);
}

/** In a time that does not tell how much of it is right. */
export function equal(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
