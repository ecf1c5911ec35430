import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { firstNodeMac, prepareHead } from "../bench/head.ts";
import { compileLoads, loadDhcp, loadHttp, loadTftp } from "../bench/loads.ts";
import { openWorkplace } from "../bench/workplace.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("the bench's loads find the head doing its work: leases, boot scripts, and files with the right content", async (t) => {
  const workplace = await openWorkplace(temporaryDirectory(t), () => undefined);
  t.after(() => workplace.rack.dispose());
  const loads = await compileLoads(workplace);
  const head = await prepareHead(workplace, 100);
  const file = join(head.loaderDirectory, "bench.img");
  writeFileSync(file, randomBytes(100_000));
  const running = await head.start();
  const dhcp = { mode: "closed", pace: 8, seconds: 1 } as const;
  const known = await loadDhcp(workplace, running, loads, { ...dhcp, firstMac: firstNodeMac, clients: 100 });
  assert.ok(known.finished > 100, JSON.stringify(known));
  const unknown = {
    ...dhcp,
    mode: "open",
    pace: 50,
    firstMac: 0x50_50_00_00_00_00,
    clients: 60_000,
  } as const;
  const open = await loadDhcp(workplace, running, loads, unknown);
  assert.ok(open.finished + open.lost >= 45 && open.finished > 0, JSON.stringify(open));
  const tftp = { name: "bench.img", file, clients: 4, seconds: 0, window: 4, deadlineSeconds: 10 };
  const fetched = await loadTftp(workplace, running, loads, tftp);
  assert.deepEqual([fetched.files, fetched.failed], [4, 0]);
  writeFileSync(join(workplace.directory, "other.img"), randomBytes(100_000));
  const wrong = loadTftp(workplace, running, loads, {
    ...tftp,
    file: join(workplace.directory, "other.img"),
  });
  await assert.rejects(wrong, /wrong content/);
  const paths = join(workplace.directory, "paths");
  writeFileSync(paths, "/boot/52-54-00-00-00-00/script.ipxe\n/boot/52-54-00-00-00-01/script.ipxe\n");
  const scripts = await loadHttp(workplace, running, loads, {
    port: 8080,
    paths,
    connections: 2,
    seconds: 0.5,
  });
  assert.ok(scripts.requests > 2 && scripts.bytes > 100 * scripts.requests, JSON.stringify(scripts));
  assert.ok((await running.cpuSeconds()) > 0);
  await running.stop();
  assert.equal(running.ended(), true);
});

test("Ctrl-C in the middle of a bench leaves nothing behind", async (t) => {
  const cache = temporaryDirectory(t);
  const bench = join(import.meta.dirname, "../../scripts/bench");
  const child = execa(bench, ["--quick", "--only", "scale"], {
    env: { XDG_CACHE_HOME: cache },
    reject: false,
    timeout: 60_000,
  });
  child.stderr.on("data", (chunk: Buffer) => {
    if (chunk.toString().includes("round 1 of")) child.kill("SIGINT");
  });
  const { exitCode, stderr } = await child;
  assert.equal(exitCode, 1, stderr);
  const prefix = `pv${child.pid}x`;
  assert.deepEqual(
    readdirSync("/run/netns").filter((name) => name.startsWith(prefix)),
    [],
  );
  assert.deepEqual(readdirSync(join(cache, "provision-bench")), ["packages"]);
});
