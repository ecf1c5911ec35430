/** A decoder with a defect that blind chance would take 2^32 inputs to meet. */
export function guarded(bytes: Uint8Array): void {
  if (bytes[0] !== 0x50) return;
  if (bytes[1] !== 0x58) return;
  if (bytes[2] !== 0x45) return;
  if (bytes[3] !== 0x21) return;
  throw new Error("planted");
}
