const carriageReturn = 13;
const lineFeed = 10;

/**
 * Text in the form of the wire (RFC 1350 section 1, RFC 764): a line ends with CR LF, and a CR of its own is followed by
 * a zero byte.
 */
export function toNetascii(bytes: Uint8Array): Uint8Array {
  let extra = 0;
  for (const byte of bytes) if (byte === lineFeed || byte === carriageReturn) extra += 1;
  const result = new Uint8Array(bytes.length + extra);
  let at = 0;
  for (const byte of bytes) {
    if (byte === lineFeed) result[at++] = carriageReturn;
    result[at++] = byte;
    if (byte === carriageReturn) result[at++] = 0;
  }
  return result;
}
