import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPrivateKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import * as fc from "fast-check";
import { encodeSshHostKey, generateSshHostKey } from "../../../server/nodeconfig/ssh-host-key.ts";

const directory = mkdtempSync(join(tmpdir(), "ssh-key-"));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, "key");

function sshKeygen(privateKey: string, ...args: string[]): string {
  writeFileSync(file, privateKey, { mode: 0o600 });
  return execFileSync("ssh-keygen", [...args, "-f", file], { encoding: "utf8", stdio: "pipe" }).trim();
}

// RFC 8032 section 7.1, test 1.
const rfc8032 = {
  seed: Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex"),
  publicKey: Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex"),
};

describe("SSH host key", () => {
  it("is read by ssh-keygen, which finds the same public key in it", () => {
    const { privateKey, publicKey } = generateSshHostKey("root@n001");
    assert.equal(sshKeygen(privateKey, "-y"), publicKey);
    assert.match(publicKey, /^ssh-ed25519 \S+ root@n001$/);
    const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
    const fingerprint = createHash("sha256").update(blob).digest("base64").replace(/=+$/, "");
    assert.equal(sshKeygen(privateKey, "-l"), `256 SHA256:${fingerprint} root@n001 (ED25519)`);
  });

  it("is another one each time", () => {
    assert.notEqual(generateSshHostKey("a").publicKey, generateSshHostKey("a").publicKey);
  });

  it("has the bytes that its numbers, comment and check give", () => {
    const key = encodeSshHostKey(rfc8032, "root@n001", 0x01020304);
    assert.equal(
      key.publicKey,
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea root@n001",
    );
    assert.deepEqual(encodeSshHostKey(rfc8032, "root@n001", 0x01020304), key);
    const text = Buffer.from(key.privateKey.split("\n").slice(1, -2).join(""), "base64").toString("latin1");
    assert.ok(text.startsWith("openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01"));
    assert.ok(text.includes("\x01\x02\x03\x04\x01\x02\x03\x04"));
    assert.ok(key.privateKey.split("\n").every((line) => line.length <= 70));
    assert.equal(sshKeygen(key.privateKey, "-y"), key.publicKey);
  });

  it("is read whatever the length of its comment, so the padding is right", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z@.-]{1,24}$/), fc.nat(0xffffffff), (comment, check) => {
        const key = encodeSshHostKey(rfc8032, comment, check);
        assert.equal(sshKeygen(key.privateKey, "-y"), key.publicKey.trim());
      }),
      { numRuns: 16 },
    );
  });

  it("signs as OpenSSL does with the same seed", () => {
    // PKCS #8 of an Ed25519 seed is a fixed head and the seed (RFC 8410 section 7).
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), rfc8032.seed]);
    const jwk = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "jwk" });
    assert.deepEqual(Buffer.from(String(jwk.x), "base64url"), rfc8032.publicKey);
    const message = join(directory, "message");
    writeFileSync(message, "hello");
    const { privateKey, publicKey } = encodeSshHostKey(rfc8032, "n001", 7);
    sshKeygen(privateKey, "-y");
    execFileSync("ssh-keygen", ["-Y", "sign", "-n", "file", "-f", file, message], { stdio: "pipe" });
    writeFileSync(join(directory, "signers"), `n001 ${publicKey}\n`);
    const args = ["-Y", "verify", "-n", "file", "-I", "n001", "-s", `${message}.sig`];
    const said = execFileSync("ssh-keygen", [...args, "-f", join(directory, "signers")], { input: "hello" });
    assert.match(String(said), /^Good "file" signature for n001/);
  });
});
