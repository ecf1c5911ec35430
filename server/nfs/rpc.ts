import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";

/**
 * The two questions that tell whether an NFS server is alive and serves a directory: the NULL procedure, and a COMPOUND
 * of NFSv4.0 that walks a path. ONC RPC (RFC 5531), NFSv4 (RFC 7530). Version 4.0, because 4.1 would want a session.
 */

const nfsProgram = 100003;
const nfsVersion = 4;
const procedure = { null: 0, compound: 1 } as const;
const operation = { lookup: 15, putRootFilehandle: 24 } as const;
const authentication = { none: 0, system: 1 } as const;

/** Record marking: the top bit says "last fragment" (RFC 5531 section 11). */
const lastFragment = 0x80000000;

/** A reply larger than this is none of ours. */
const longestReplyBytes = 65_536;

/** Bytes of the record mark. */
const markBytes = 4;

/** A call of procedure 0, which does nothing and always succeeds. */
export function encodeNullCall(xid: number): Uint8Array {
  const body = callHeader(xid, procedure.null);
  body.u32(authentication.none).u32(0); // credential
  body.u32(authentication.none).u32(0); // verifier
  return marked(body.finish());
}

/** Walks the path from the server's root, as root of this machine. */
export function encodeWalkCall(xid: number, path: string): Uint8Array {
  const components = pathComponents(path);
  const body = callHeader(xid, procedure.compound);
  const credential = new ByteWriter();
  credential.u32(0); // stamp
  opaque(credential, "provision");
  credential.u32(0).u32(0).u32(0); // uid, gid, no further groups
  body.u32(authentication.system).u32(credential.length).bytes(credential.finish());
  body.u32(authentication.none).u32(0); // verifier
  opaque(body, ""); // tag
  body.u32(0); // minor version
  body.u32(components.length + 1).u32(operation.putRootFilehandle);
  for (const component of components) {
    body.u32(operation.lookup);
    opaque(body, component);
  }
  return marked(body.finish());
}

/** The whole reply's length in bytes, mark included, once its mark is there. Throws on one that cannot be a reply. */
export function replyBytes(received: Uint8Array): number | undefined {
  if (received.length < markBytes) return undefined;
  const mark = new ByteReader(received).u32();
  const length = mark & ~lastFragment;
  if ((mark & lastFragment) === 0) throw new DecodeError("unsupported", 0, "a reply in several fragments");
  if (length > longestReplyBytes) throw new DecodeError("too-long", 0, `a reply of ${length} bytes`);
  return length + markBytes;
}

/** Reads an accepted reply to a NULL call; throws when it is anything else. */
export function decodeNullReply(bytes: Uint8Array, xid: number): void {
  acceptedBody(bytes, xid);
}

/** How far a walk came: the NFS status (0 is success) and how many components were found. */
export type Walk = { status: number; found: number };

export function decodeWalkReply(bytes: Uint8Array, xid: number): Walk {
  const body = acceptedBody(bytes, xid);
  const status = body.u32();
  skipOpaque(body); // tag
  const operations = body.u32();
  // The first is PUTROOTFH; when one fails, it is the last.
  return { status, found: Math.max(0, operations - 1 - (status === 0 ? 0 : 1)) };
}

/** The name of an NFS status, where it is one that a walk meets (RFC 7530 section 13.1). */
export function statusName(status: number): string {
  return statusNames.get(status) ?? `NFS status ${status}`;
}

export function pathComponents(path: string): string[] {
  return path.split("/").filter((component) => component !== "");
}

const statusNames: ReadonlyMap<number, string> = new Map([
  [0, "found"],
  [1, "not permitted"],
  [2, "no such directory"],
  [5, "input/output error"],
  [13, "access denied"],
  [20, "not a directory"],
  [70, "stale file handle"],
  [10006, "server fault"],
  [10008, "server busy"],
  [10013, "server in its grace period"],
  [10016, "wrong security flavour"],
]);

function callHeader(xid: number, procedureNumber: number): ByteWriter {
  const callMessage = 0;
  const rpcVersion = 2;
  return new ByteWriter()
    .u32(xid)
    .u32(callMessage)
    .u32(rpcVersion)
    .u32(nfsProgram)
    .u32(nfsVersion)
    .u32(procedureNumber);
}

function marked(body: Uint8Array): Uint8Array {
  return new ByteWriter(body.length + markBytes)
    .u32((lastFragment | body.length) >>> 0)
    .bytes(body)
    .finish();
}

/** Checks everything up to the results: reply, accepted, successful (RFC 5531 section 9). */
function acceptedBody(bytes: Uint8Array, xid: number): ByteReader {
  const reader = new ByteReader(bytes);
  reader.u32(); // record mark
  const answered = reader.u32();
  if (answered !== xid)
    throw new DecodeError("bad-value", markBytes, `answer to call ${answered}, not ${xid}`);
  if (reader.u32() !== 1) throw new DecodeError("bad-value", reader.offset, "no reply");
  if (reader.u32() !== 0) throw new DecodeError("unsupported", reader.offset, "the server denied the call");
  reader.u32(); // verifier flavour
  skipOpaque(reader);
  const accepted = reader.u32();
  if (accepted === 1 || accepted === 2) {
    throw new DecodeError("unsupported", reader.offset, "what listens there is no NFSv4 server");
  }
  if (accepted !== 0)
    throw new DecodeError("unsupported", reader.offset, `the call failed: status ${accepted}`);
  return reader;
}

function opaque(writer: ByteWriter, text: string): void {
  const bytes = new TextEncoder().encode(text);
  writer.u32(bytes.length).bytes(bytes).zeros(padding(bytes.length));
}

function skipOpaque(reader: ByteReader): void {
  const length = reader.u32();
  reader.bytes(length);
  reader.bytes(padding(length));
}

/** XDR fills to four bytes (RFC 4506 section 4.10). */
function padding(length: number): number {
  return (4 - (length % 4)) % 4;
}
