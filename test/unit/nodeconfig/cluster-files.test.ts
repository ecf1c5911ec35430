import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ClusterNode } from "../../../server/model/node.ts";
import { ClusterFiles } from "../../../server/nodeconfig/cluster-files.ts";
import { overlayFiles } from "../../../server/nodeconfig/overlay.ts";
import { createTemplates } from "../../../server/template/engine.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

function node(number: number): ClusterNode {
  return {
    id: number,
    name: `n${number}`,
    macs: [],
    ip: `10.0.1.${number}` as never,
    groups: [],
    kernelArguments: [],
    machineId: "0".repeat(32),
    sshPublicKey: `ssh-ed25519 AAAA${number} provision`,
    addedAtMs: 0,
  };
}

test("files that all nodes get alike are made once, and anew when the inventory, the head or the template changes", (t) => {
  const directory = temporaryDirectory(t);
  cpSync(join(import.meta.dirname, "../../../templates/node"), directory, { recursive: true });
  const templates = createTemplates(directory);
  const cluster = new ClusterFiles();
  const hosts = (which: ClusterNode, nodes: readonly ClusterNode[], domain = "rack.example"): Uint8Array => {
    const files = overlayFiles(
      templates,
      {
        node: which,
        sshHostKey: { privateKey: "private", publicKey: which.sshPublicKey },
        nodes,
        head: { name: "head", address: "10.0.1.254" as never, domain, url: "http://10.0.1.254:8080" },
        authorizedKeys: [],
        token: "token",
        agentBundle: new Uint8Array(),
        sharedMount: { source: "10.0.1.254:/shared", options: "vers=4.1" },
        dns: [],
      },
      cluster,
    );
    return files.find((file) => file.path === "/etc/hosts")?.content ?? assert.fail();
  };
  const nodes = [node(1), node(2)];
  const first = hosts(node(1), nodes);
  assert.equal(hosts(node(2), nodes), first);
  const more = hosts(node(1), [...nodes, node(3)]);
  assert.match(Buffer.from(more).toString(), /10\.0\.1\.3 n3\.rack\.example n3/);
  assert.doesNotMatch(Buffer.from(hosts(node(1), nodes, "")).toString(), /rack\.example/);
  writeFileSync(join(directory, "hosts.hbs"), "{{#each nodes}}{{name}}!{{/each}}");
  assert.equal(Buffer.from(hosts(node(1), nodes)).toString(), "n1!n2!");
  writeFileSync(join(directory, "hosts.hbs"), "{{token}}");
  assert.throws(() => hosts(node(1), nodes), /cannot|token/);
});
