import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadConfig, parseConfig } from "../../../agent/config.ts";

describe("agent configuration", () => {
  const good = { url: "http://10.0.1.1:8080/node/n001", node: "n001", token: "t" };

  it("is read as it is, without what it does not know", () => {
    assert.deepEqual(parseConfig(JSON.stringify({ ...good, later: 1 }), "agent.json"), good);
  });

  it("names every fault", () => {
    const bad = JSON.stringify({ url: "https://x", node: 7 });
    assert.throws(() => parseConfig(bad, "agent.json"), {
      message: "agent.json: url: not http://HOST:PORT/PATH; node: missing; token: missing",
    });
    for (const text of ["null", "[]", "3", "{}"]) {
      assert.throws(() => parseConfig(text, "agent.json"), /url: .* node: .* token: /);
    }
  });

  it("never quotes a broken file, which may have the token in it", () => {
    assert.throws(() => parseConfig('{"token":"SECRET', "agent.json"), { message: "agent.json: not JSON" });
  });

  it("says which file is not there", () => {
    assert.throws(() => loadConfig("/nowhere/agent.json"), /ENOENT.*\/nowhere\/agent\.json/);
  });
});
