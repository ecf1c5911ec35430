import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { fakeHead, headDirectory, provision } from "./fake-head.ts";
import { image, newNode, upNode } from "./fixtures.ts";

const names = "node n001\nnode n002\nnode login\ngroup compute\ngroup gpu\nimage debian-13\n";

describe("bash completion", () => {
  let script = "";
  before(async () => {
    const outcome = await provision(["completion", "bash"]);
    assert.equal(outcome.status, 0, outcome.stderr);
    script = outcome.stdout;
  });

  /** What bash would offer where the line ends. A stand-in answers for the names. */
  function offered(context: { after: (fn: () => void) => void }, line: string): readonly string[] {
    const { directory } = headDirectory(context as Parameters<typeof headDirectory>[0]);
    mkdirSync(join(directory, "bin"));
    writeFileSync(
      join(directory, "bin", "provision"),
      `#!/bin/sh\nprintf '${names.replaceAll("\n", "\\n")}'\n`,
      { mode: 0o755 },
    );
    const test = `${script}\ncompopt() { :; }\nCOMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:@'\nCOMP_LINE=$1\nCOMP_POINT=\${#1}\n_provision\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: `${join(directory, "bin")}:${process.env["PATH"] ?? ""}` };
    const output = execFileSync("bash", ["-c", test, "bash", line], { env, encoding: "utf8" });
    return output.split("\n").filter((word) => word !== "");
  }

  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["provision list-n", ["list-nodes"]],
    ["provision ad", ["add-node", "add-group"]],
    ["provision list-nodes --gr", ["--group"]],
    ["provision list-nodes --group ", ["compute", "gpu"]],
    ["provision list-nodes --group c", ["compute"]],
    ["provision list-nodes n00", ["n001", "n002"]],
    ["provision list-nodes --json n00", ["n001", "n002"]],
    ["provision list-nodes --color n", ["never"]],
    ["provision show-node login,n", ["login,n001", "login,n002"]],
    // Bash itself breaks words at "@", and replaces only what comes after it.
    ["provision set-node @g", ["gpu"]],
    ["provision why log", ["login"]],
    ["provision set-node n001 --image d", ["debian-13"]],
    ["provision set-node n001 --loader g", ["grub"]],
    ["provision set-group compute --loader i", ["ipxe"]],
    ["provision list-nodes n001 ", []],
    ["provision add-node n", []],
    ["provision help ev", ["events"]],
    ["provision completion ", ["bash"]],
  ];
  for (const [line, words] of cases) {
    it(JSON.stringify(line), (context) => assert.deepEqual(offered(context, line), words));
  }

  it("gets its names from the running head", async (context) => {
    const head = await fakeHead(context, {
      "GET /api/nodes": { nodes: [upNode, newNode] },
      "GET /api/groups": { groups: [{ name: "compute", kernelArguments: [], options: [] }] },
      "GET /api/images": { images: [image] },
    });
    const { stdout } = await provision(["completion", "words", "--config", head.config]);
    assert.equal(
      stdout,
      "node n001\nnode n002\ngroup compute\nimage debian-13\nimage debian-13@20261122-3f9a1c04\n",
    );
  });

  it("is silent where no head runs, and makes no store", async (context) => {
    const head = headDirectory(context);
    const outcome = await provision(["completion", "words", "--config", head.config]);
    assert.deepEqual(outcome, { status: 0, signal: null, stdout: "", stderr: "" });
  });
});
