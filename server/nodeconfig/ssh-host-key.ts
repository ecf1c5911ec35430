import { generateKeyPairSync, randomBytes } from "node:crypto";
import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import type { SshHostKey } from "../model/node.ts";

/** An Ed25519 key as numbers (RFC 8032): the seed is the private key. 32 bytes each. */
export type Ed25519Key = { seed: Uint8Array; publicKey: Uint8Array };

const keyType = "ssh-ed25519"; // RFC 8709

/** A new host key. The comment is for people: `root@n001`. */
export function generateSshHostKey(comment: string): SshHostKey {
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const key = { seed: fromBase64url(jwk.d), publicKey: fromBase64url(jwk.x) };
  return encodeSshHostKey(key, comment, new ByteReader(randomBytes(4)).u32());
}

/**
 * The two text forms of OpenSSH. The private one is "openssh-key-v1" of its PROTOCOL.key, with no cipher: the key is kept
 * by file modes. `check` is any number: written twice, it would show a wrong passphrase.
 */
export function encodeSshHostKey(key: Ed25519Key, comment: string, check: number): SshHostKey {
  const publicBlob = new ByteWriter();
  writeString(publicBlob, keyType);
  writeString(publicBlob, key.publicKey);

  const secrets = new ByteWriter().u32(check).u32(check);
  writeString(secrets, keyType);
  writeString(secrets, key.publicKey);
  writeString(secrets, Buffer.concat([key.seed, key.publicKey]));
  writeString(secrets, comment);
  // Padded with 1, 2, 3… to the block of the cipher, which is 8 for "none".
  for (let pad = 1; secrets.length % 8 !== 0; pad++) secrets.u8(pad);

  const file = new ByteWriter().bytes(Buffer.from("openssh-key-v1\0"));
  writeString(file, "none"); // cipher
  writeString(file, "none"); // key derivation
  writeString(file, ""); // its options
  file.u32(1); // keys in this file
  writeString(file, publicBlob.finish());
  writeString(file, secrets.finish());

  return {
    privateKey: pem(file.finish()),
    publicKey: `${keyType} ${Buffer.from(publicBlob.finish()).toString("base64")} ${comment}`,
  };
}

function writeString(writer: ByteWriter, value: string | Uint8Array): void {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  writer.u32(bytes.length).bytes(bytes);
}

function pem(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

function fromBase64url(text: string | undefined): Uint8Array {
  return Buffer.from(text ?? "", "base64url");
}
