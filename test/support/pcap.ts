/** One UDP datagram of a capture. */
export type Datagram = { from: string; to: string; sourcePort: number; targetPort: number; payload: Buffer };

// pcap-savefile(5), in the byte order of the machine that wrote it, which is this one; EN10MB link type.
const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
const ethernetBytes = 14;

/** The UDP datagrams (IPv4, whole) in what `tcpdump -w -` wrote. */
export function readDatagrams(capture: Buffer): Datagram[] {
  const found: Datagram[] = [];
  let at = fileHeaderBytes;
  while (at + recordHeaderBytes <= capture.length) {
    const length = capture.readUInt32LE(at + 8);
    const frame = capture.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length);
    at += recordHeaderBytes + length;
    if (frame.length < length || frame.readUInt16BE(12) !== 0x0800) continue;
    const packet = frame.subarray(ethernetBytes);
    if (packet[9] !== 17) continue;
    const udp = packet.subarray(((packet[0] ?? 0) & 15) * 4);
    found.push({
      from: packet.subarray(12, 16).join("."),
      to: packet.subarray(16, 20).join("."),
      sourcePort: udp.readUInt16BE(0),
      targetPort: udp.readUInt16BE(2),
      payload: udp.subarray(8, udp.readUInt16BE(4)),
    });
  }
  return found;
}
