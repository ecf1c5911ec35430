import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Check } from "../../../server/doctor/check.ts";
import { fakeHead, headDirectory, provision } from "./fake-head.ts";
import { image, status } from "./fixtures.ts";

function checksOf(stdout: string): ReadonlyMap<string, Check> {
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  return new Map(checks.map((check) => [check.name, check]));
}

describe("provision doctor", { concurrency: 2 }, () => {
  it("asks the running head, and fails since the interface is not there", async (context) => {
    const head = await fakeHead(context, {
      "GET /api/status": status,
      "GET /api/images": { images: [image] },
    });
    const outcome = await provision(["doctor", "--json", "--config", head.config]);
    const checks = checksOf(outcome.stdout);
    assert.equal(checks.get("head")?.detail, "running, process 4711");
    assert.equal(checks.get("image")?.state, "ok");
    assert.equal(checks.get("interface")?.state, "fail");
    assert.match(checks.get("interface")?.detail ?? "", /there is no network interface eth9/);
    assert.equal(outcome.status, 1);
  });

  it("opens the store where no head runs", async (context) => {
    const head = headDirectory(context);
    const checks = checksOf((await provision(["doctor", "--json", "--config", head.config])).stdout);
    assert.equal(checks.get("database")?.state, "ok");
    assert.equal(checks.get("head")?.state, "warn");
    assert.match(checks.get("image")?.fix ?? "", /^provision build-image debian-13$/);
  });

  it("tells every fault of a configuration, and what else it can", async (context) => {
    const head = headDirectory(context);
    writeFileSync(head.config, "interface: eth9\naddress: nonsense\n");
    const { status, stdout } = await provision(["doctor", "--config", head.config]);
    assert.match(stdout, /^ok {2}node +Node \d+/m);
    assert.match(
      stdout,
      /^x {3}configuration +.*has 3 faults\n(?: +\S+:\d+: (?:address|subnet|pool): .*\n){3} +try: edit /m,
    );
    assert.equal(status, 1);
  });
});
