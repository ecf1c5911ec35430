import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { ClusterNode, SshHostKey } from "../../../server/model/node.ts";
import { type OverlayFile, overlayArchive, overlayFiles } from "../../../server/nodeconfig/overlay.ts";
import { encodeSshHostKey } from "../../../server/nodeconfig/ssh-host-key.ts";
import type { OverlayInput } from "../../../server/nodeconfig/view.ts";
import { createTemplates } from "../../../server/template/engine.ts";
import { readArchive } from "./read-archive.ts";

const templates = createTemplates(join(import.meta.dirname, "../../../templates/node"), "templates/node");
const goldenDirectory = join(import.meta.dirname, "golden");
const scratch = mkdtempSync(join(tmpdir(), "overlay-"));
after(() => rmSync(scratch, { recursive: true }));

function keyNumber(number: number): SshHostKey {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(number);
  return encodeSshHostKey({ seed: bytes, publicKey: bytes }, `root@${nameNumber(number)}`, number);
}

function nameNumber(number: number): string {
  return `n${String(number).padStart(3, "0")}`;
}

function nodeNumber(number: number): ClusterNode {
  const name = nameNumber(number);
  return {
    id: number,
    name,
    macs: [`52:54:00:00:00:${(number % 256).toString(16).padStart(2, "0")}` as Mac],
    ip: `10.0.${1 + (number >> 8)}.${number & 255}` as Ipv4,
    groups: ["compute"],
    kernelArguments: [],
    machineId: number.toString(16).padStart(32, "0"),
    sshPublicKey: keyNumber(number).publicKey,
    addedAtMs: 0,
  };
}

const nodes = [nodeNumber(2), nodeNumber(3), nodeNumber(10)];

function inputOf(changes: Partial<OverlayInput> = {}): OverlayInput {
  return {
    node: nodes[0] ?? assert.fail(),
    sshHostKey: keyNumber(2),
    nodes,
    head: { name: "pc1", address: "10.0.1.1" as Ipv4, domain: "rack.example", url: "http://10.0.1.1:8080" },
    authorizedKeys: ["ssh-ed25519 AAAAone admin@desk", 'from="10.0.0.0/8" ssh-rsa AAAAtwo other'],
    token: "it's a token",
    agentBundle: Buffer.from("// agent\n"),
    sharedMount: { source: "10.0.1.1:/shared", options: "vers=4.1" },
    dns: ["10.0.1.1" as Ipv4, "192.0.2.53" as Ipv4],
    ...changes,
  };
}

function fileOf(files: readonly OverlayFile[], path: string): OverlayFile {
  return files.find((file) => file.path === path) ?? assert.fail(`no ${path}`);
}

function textOf(input: OverlayInput, path: string): string {
  return Buffer.from(fileOf(overlayFiles(templates, input), path).content).toString();
}

describe("files of a node", () => {
  it("are these, with these modes, and the secrets are marked", () => {
    const table = overlayFiles(templates, inputOf()).map(
      ({ place, path, mode, secret }) => `${place} ${mode.toString(8)} ${path}${secret ? " secret" : ""}`,
    );
    assert.deepEqual(table, [
      "initrd 600 /provision/boot.env secret",
      "root 644 /etc/hostname",
      "root 644 /etc/hosts",
      "root 444 /etc/machine-id",
      "root 644 /etc/fstab",
      "root 644 /etc/resolv.conf",
      "root 644 /etc/ssh/ssh_known_hosts",
      "root 644 /etc/ssh/sshd_config.d/provision.conf",
      "root 600 /root/.ssh/authorized_keys",
      "root 600 /etc/provision/agent.json secret",
      "root 600 /etc/ssh/ssh_host_ed25519_key secret",
      "root 644 /etc/ssh/ssh_host_ed25519_key.pub",
      "root 644 /usr/lib/provision/agent.mjs",
    ]);
  });

  it("contain no secret but where it is marked", () => {
    const input = inputOf({ token: "TOKEN-TOKEN" });
    const privateLine = input.sshHostKey.privateKey.split("\n")[2] ?? assert.fail();
    for (const { path, content, secret } of overlayFiles(templates, input)) {
      if (secret) continue;
      const text = Buffer.from(content).toString();
      assert.ok(!text.includes("TOKEN-TOKEN") && !text.includes(privateLine), path);
    }
  });

  // UPDATE_GOLDEN=1 writes them anew; read the difference before committing it.
  for (const { path, content } of overlayFiles(templates, inputOf())) {
    // What comes from no template: the agent and the keys.
    if (/agent\.mjs$|ssh_host_/.test(path)) continue;
    it(`${path} is as agreed`, () => {
      const golden = join(goldenDirectory, path.slice(1).replaceAll("/", "+"));
      if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(golden, content);
      assert.equal(Buffer.from(content).toString(), readFileSync(golden, "utf8"));
    });
  }

  it("do without a domain and without resolvers", () => {
    const input = inputOf({ head: { ...inputOf().head, domain: "" }, dns: [] });
    assert.ok(!overlayFiles(templates, input).some(({ path }) => path === "/etc/resolv.conf"));
    assert.match(textOf(input, "/etc/hosts"), /^10\.0\.1\.1 pc1\n10\.0\.1\.2 n002\n10\.0\.1\.3 n003\n/m);
    assert.match(textOf(input, "/etc/ssh/ssh_known_hosts"), /^n002,10\.0\.1\.2 ssh-ed25519 \S+$/m);
  });

  it("carry any token safely through shell and JSON", () => {
    const token = fc.string({ minLength: 1 }).filter((text) => !/[\n\r\0]/.test(text));
    fc.assert(
      fc.property(token, (token) => {
        const input = inputOf({ token });
        const agent = JSON.parse(textOf(input, "/etc/provision/agent.json")) as Record<string, string>;
        assert.deepEqual(agent, { url: "http://10.0.1.1:8080/node/n002", node: "n002", token });
        const script = `${textOf(input, "/provision/boot.env")}printf '%s\\0%s' "$PROVISION_URL" "$PROVISION_TOKEN"`;
        const printed = execFileSync("sh", { input: script, encoding: "utf8" });
        assert.equal(printed, `http://10.0.1.1:8080/node/n002\0${token}`);
      }),
      { numRuns: 20 },
    );
  });

  it("let ssh find every node's key by name, full name and address", () => {
    const file = join(scratch, "known_hosts");
    writeFileSync(file, textOf(inputOf(), "/etc/ssh/ssh_known_hosts"));
    for (const node of nodes) {
      for (const host of [node.name, `${node.name}.rack.example`, node.ip]) {
        const found = execFileSync("ssh-keygen", ["-F", host, "-f", file], { encoding: "utf8" });
        assert.ok(found.includes(node.sshPublicKey.split(" ")[1] ?? "-"), host);
      }
    }
  });

  it("are made for 10,000 nodes with a line for each", () => {
    const many = Array.from({ length: 10_000 }, (_, index) => nodeNumber(index + 2));
    const files = overlayFiles(templates, inputOf({ nodes: many }));
    const lines = (path: string): number =>
      Buffer.from(fileOf(files, path).content)
        .toString()
        .split("\n")
        .filter((line) => line.startsWith("n") || line.startsWith("10.")).length;
    assert.equal(lines("/etc/hosts"), 10_001);
    assert.equal(lines("/etc/ssh/ssh_known_hosts"), 10_000);
  });

  it("are refused, with every fault, when something would end up where it does not belong", () => {
    const node = nodes[0] ?? assert.fail();
    const bad = inputOf({
      node: { ...node, name: "../../etc", machineId: "short" },
      nodes: [...nodes, { ...node, name: "n004\n10.0.0.9 evil" }],
      token: "a\nb",
      authorizedKeys: ["ok", "one\ntwo"],
      sharedMount: { source: "10.0.1.1:/my shared", options: "a b" },
      head: { name: "p c", address: "10.0.1.1" as Ipv4, domain: "-x", url: "http://h/p" },
    });
    assert.throws(
      () => overlayFiles(templates, bad),
      (error: unknown) => {
        assert.ok(error instanceof AppError && error.code === "invalid");
        assert.deepEqual(
          error.faults.map(({ place }) => place),
          [
            "../../etc.machineId",
            "token",
            "head.url",
            "head.name",
            "head.domain",
            "sharedMount.source",
            "sharedMount.options",
            "authorizedKeys.1",
            "node.name",
            "nodes",
          ],
        );
        return true;
      },
    );
  });

  it("fail with the template's file and line when a template asks for what there is not", () => {
    writeFileSync(join(scratch, "boot.env.hbs"), "A=1\nB={{shell tokken}}\n");
    assert.throws(() => overlayFiles(createTemplates(scratch, "templates/node"), inputOf()), {
      code: "invalid",
      faults: [{ place: "templates/node/boot.env.hbs:2", message: 'there is no variable "tokken" here' }],
    });
  });
});

describe("overlay archive", () => {
  it("has every file in its place, in a directory closed to others", () => {
    const files = overlayFiles(templates, inputOf());
    const entries = readArchive(overlayArchive(files));
    const directories = entries.flatMap((entry) =>
      entry.kind === "directory" && entry.mode !== 0o755 ? [`${entry.mode.toString(8)} ${entry.path}`] : [],
    );
    assert.deepEqual(directories, [
      "700 /provision",
      "700 /provision/root/root",
      "700 /provision/root/root/.ssh",
    ]);
    const unpacked = entries.flatMap((entry) =>
      entry.kind === "file"
        ? [{ path: entry.path, mode: entry.mode, text: Buffer.from(entry.content).toString() }]
        : [],
    );
    assert.deepEqual(
      unpacked,
      files.map(({ place, path, mode, content }) => ({
        path: place === "root" ? `/provision/root${path}` : path,
        mode,
        text: Buffer.from(content).toString(),
      })),
    );
  });

  it("is the same bytes for the same files", () => {
    const [one, other] = [1, 2].map(() => Buffer.from(overlayArchive(overlayFiles(templates, inputOf()))));
    assert.ok(one && other && one.equals(other));
  });

  it("is extracted by cpio with modes", () => {
    const cwd = mkdtempSync(join(scratch, "out-"));
    execFileSync("cpio", ["-i", "--quiet", "--no-absolute-filenames"], {
      input: overlayArchive(overlayFiles(templates, inputOf())),
      cwd,
    });
    const modeOf = (path: string): string => (statSync(join(cwd, path)).mode & 0o7777).toString(8);
    assert.equal(modeOf("provision"), "700");
    assert.equal(modeOf("provision/boot.env"), "600");
    assert.equal(modeOf("provision/root/root/.ssh"), "700");
    assert.equal(modeOf("provision/root/root/.ssh/authorized_keys"), "600");
    assert.equal(modeOf("provision/root/etc/ssh/ssh_host_ed25519_key"), "600");
    assert.equal(modeOf("provision/root/etc/ssh"), "755");
    assert.equal(readFileSync(join(cwd, "provision/root/etc/hostname"), "utf8"), "n002\n");
    const key = join(cwd, "provision/root/etc/ssh/ssh_host_ed25519_key");
    const publicKey = execFileSync("ssh-keygen", ["-y", "-f", key], { encoding: "utf8" });
    assert.equal(publicKey, readFileSync(`${key}.pub`, "utf8"));
  });
});
