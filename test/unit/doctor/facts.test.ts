import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseConfig } from "../../../server/config/load.ts";
import { readHeadFacts, readMachineFacts } from "../../../server/doctor/facts.ts";

const store = { problem: new Error("not looked at") };

function configWith(ports: object): ReturnType<typeof parseConfig> {
  const text = "interface: lo\naddress: 127.0.0.1\nsubnet: 127.0.0.0/8\npool: 127.0.9.1-127.0.9.9\n";
  return {
    ...parseConfig(text, "provision.yaml"),
    ports: { dhcp: 0, bootServer: 0, tftp: 0, http: 0, nfs: 0, ...ports },
  };
}

describe("what doctor finds out", () => {
  it("a port that is taken, and by whom; the others are free again at once", async (context) => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    context.after(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const facts = await readHeadFacts(configWith({ http: port }), { nfs: { backend: "ganesha" }, store });
    const problems = facts.ports.map(({ service, problem }) => [
      service,
      problem?.message.replace(/by \S+/, "by it"),
    ]);
    assert.deepEqual(problems, [
      ["dhcp", undefined],
      ["proxy-dhcp", undefined],
      ["tftp", undefined],
      ["http", `port ${port} is taken by it (process ${process.pid})`],
      ["nfs", undefined],
    ]);
  });

  it("the free space of a directory that is still to be made is that of the one above", async () => {
    const facts = await readHeadFacts(configWith({}), { nfs: { backend: "ganesha" }, store });
    const free = facts.freeBytes(join(tmpdir(), "not", "made", "yet"));
    assert.ok(free !== undefined && free > 0);
    assert.ok(Math.abs(free - (facts.freeBytes(tmpdir()) ?? 0)) < 1024 ** 3);
  });

  it("programs that may be run, in the order of the search path", (context) => {
    const directory = mkdtempSync(join(tmpdir(), "provision-doctor-"));
    context.after(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, "tool"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(directory, "text"), "", { mode: 0o644 });
    const { program, nodeVersion, processStatus } = readMachineFacts(`/nonexistent::${directory}`);
    assert.equal(program("tool"), join(directory, "tool"));
    assert.equal(program("text"), undefined);
    assert.equal(nodeVersion, process.versions.node);
    assert.match(processStatus, /^CapEff:/m);
  });
});
