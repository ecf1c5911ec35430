import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeHead, problem, provision } from "./fake-head.ts";
import { changed } from "./fixtures.ts";

/** What is typed, and the request that the head must see. */
const requests: readonly { words: readonly string[]; method: string; url: string; body: object }[] = [
  {
    words: ["add-node", "n[1-2]"],
    method: "POST",
    url: "/api/nodes",
    body: { range: "n[1-2]" },
  },
  {
    words: (
      "add-node n[1-2] --mac 52:54:00:00:00:01+ --mac 52:54:00:00:01:01,52:54:00:00:01:02 --ip 10.9.0.2+ " +
      "--group compute,gpu --group big --image debian-13 --kernel-argument console=ttyS0,115200 " +
      "--kernel-argument quiet --dry-run"
    ).split(" "),
    method: "POST",
    url: "/api/nodes",
    body: {
      range: "n[1-2]",
      macs: ["52:54:00:00:00:01+", "52:54:00:00:01:01,52:54:00:00:01:02"],
      ip: "10.9.0.2+",
      groups: ["compute", "gpu", "big"],
      image: "debian-13",
      kernelArguments: ["console=ttyS0,115200", "quiet"],
      dryRun: true,
    },
  },
  {
    words: ["add-node", "n3", "--from-discovered"],
    method: "POST",
    url: "/api/nodes",
    body: { range: "n3", fromDiscovered: true },
  },
  {
    words: ["add-node", "n3", "--from-discovered=52:54:00:00:00:07"],
    method: "POST",
    url: "/api/nodes",
    body: { range: "n3", fromDiscovered: ["52:54:00:00:00:07"] },
  },
  {
    words: ["set-node", "n1", "--add-mac", "52:54:00:00:00:09", "--rename", "login", "-n"],
    method: "PATCH",
    url: "/api/nodes",
    body: { range: "n1", addMacs: ["52:54:00:00:00:09"], rename: "login", dryRun: true },
  },
  {
    words: ["set-node", "@compute", "--no-image", "--no-group", "--no-kernel-argument"],
    method: "PATCH",
    url: "/api/nodes",
    body: { range: "@compute", image: "", groups: [], kernelArguments: [] },
  },
  {
    words: [
      "set-node",
      "n1",
      "--mac",
      "52:54:00:00:00:09",
      "--group",
      "a,b",
      "--kernel-argument",
      "quiet",
      "--image",
      "x",
    ],
    method: "PATCH",
    url: "/api/nodes",
    body: {
      range: "n1",
      macs: ["52:54:00:00:00:09"],
      groups: ["a", "b"],
      kernelArguments: ["quiet"],
      image: "x",
    },
  },
  { words: ["remove-node", "all,!n1"], method: "DELETE", url: "/api/nodes", body: { range: "all,!n1" } },
  {
    words: ["add-group", "compute", "--image", "debian-13", "--kernel-argument", "quiet"],
    method: "POST",
    url: "/api/groups",
    body: { name: "compute", image: "debian-13", kernelArguments: ["quiet"] },
  },
  {
    words: ["set-group", "compute", "--no-image", "--no-kernel-argument", "--dry-run"],
    method: "PATCH",
    url: "/api/groups",
    body: { name: "compute", image: "", kernelArguments: [], dryRun: true },
  },
  {
    words: ["add-node", "n1", "--loader", "grub"],
    method: "POST",
    url: "/api/nodes",
    body: { range: "n1", loader: "grub" },
  },
  {
    words: ["set-node", "@compute", "--loader", "ipxe"],
    method: "PATCH",
    url: "/api/nodes",
    body: { range: "@compute", loader: "ipxe" },
  },
  {
    words: ["set-node", "n1", "--no-loader"],
    method: "PATCH",
    url: "/api/nodes",
    body: { range: "n1", loader: "" },
  },
  {
    words: ["add-group", "uefi", "--loader", "grub"],
    method: "POST",
    url: "/api/groups",
    body: { name: "uefi", loader: "grub" },
  },
  {
    words: ["set-group", "uefi", "--no-loader"],
    method: "PATCH",
    url: "/api/groups",
    body: { name: "uefi", loader: "" },
  },
  {
    words: ["remove-group", "compute", "--dry-run"],
    method: "DELETE",
    url: "/api/groups",
    body: { name: "compute", dryRun: true },
  },
];

describe("changing commands", { concurrency: 2 }, () => {
  for (const { words, method, url, body } of requests) {
    it(words.join(" "), async (context) => {
      const head = await fakeHead(context, { [`${method} ${url}`]: changed({ changed: ["n1"] }) });
      const { status, stderr } = await provision([...words, "--config", head.config]);
      assert.deepEqual(head.requests, [{ method, url, body }]);
      assert.equal(stderr, "");
      assert.equal(status, 0);
    });
  }

  it("print what was done, folded", async (context) => {
    const lines = ["n001: added 10.9.0.2", "n002: added 10.9.0.3"];
    const answer = changed({ changed: ["n001", "n002"], unchanged: ["n007"], lines });
    const head = await fakeHead(context, { "POST /api/nodes": answer });
    const words = ["add-node", "n[001-002],n007", "--config", head.config];
    const people = await provision(words);
    assert.equal(
      people.stdout,
      "n001: added 10.9.0.2\nn002: added 10.9.0.3\nadded: n[001-002]\nunchanged: n007\n",
    );
    const program = await provision([...words, "--json"]);
    assert.deepEqual(JSON.parse(program.stdout), answer);
  });

  it("say of a dry run that it is one", async (context) => {
    const answer = changed({ dryRun: true, changed: ["n1"], lines: ["n1: ip 10.9.0.2"] });
    const head = await fakeHead(context, { "PATCH /api/nodes": answer });
    const { stdout } = await provision(["set-node", "n1", "--ip", "10.9.0.2", "-n", "--config", head.config]);
    assert.equal(stdout, "n1: ip 10.9.0.2\nwould change: n1\n");
  });

  it("do not flood the terminal", async (context) => {
    const names = Array.from({ length: 200 }, (_, index) => `n${index}`);
    const answer = changed({ changed: names, lines: names.map((name) => `${name}: added`) });
    const head = await fakeHead(context, { "POST /api/nodes": answer });
    const { stdout } = await provision(["add-node", "n[0-199]", "--config", head.config]);
    assert.equal(stdout.split("\n").length, 53);
    assert.match(stdout, /^… and 150 more \(--json prints them all\)\nadded: n\[0-199\]$/m);
  });

  it("tell of a partial failure, once for each reason, and fail", async (context) => {
    const busy = "it is up";
    const failed = [
      { name: "n012", message: busy },
      { name: "n044", message: busy },
      { name: "n050", message: "a reason of its own" },
      { name: "n045", message: busy },
      { name: "n046", message: busy },
    ];
    const answer = changed({ changed: ["n001"], failed });
    const head = await fakeHead(context, { "DELETE /api/nodes": answer });
    const { status, stdout, stderr } = await provision(["remove-node", "all", "--config", head.config]);
    assert.equal(stdout, "removed: n001\n");
    assert.equal(stderr, "failed: n[012,044-046]: it is up\nfailed: n050: a reason of its own\n");
    assert.equal(status, 1);
  });

  it("set-node and set-group without anything to change are wrong usage, and ask nobody", async (context) => {
    const head = await fakeHead(context, {});
    for (const words of [
      ["set-node", "n1"],
      ["set-group", "compute", "--dry-run"],
    ]) {
      const { status, stderr } = await provision([...words, "--config", head.config]);
      assert.equal(stderr, `provision: nothing to change was given\ntry: provision help ${words[0]}\n`);
      assert.equal(status, 2);
    }
    assert.deepEqual(head.requests, []);
  });

  it("--from-discovered does not swallow the range", async () => {
    const { status, stderr } = await provision(["add-node", "--from-discovered", "n1"]);
    assert.match(stderr, /it takes MAC addresses; write the range before it/);
    assert.equal(status, 2);
  });
});

describe("refusals of the head", { concurrency: 2 }, () => {
  const cases = [
    { code: "invalid", http: 400, exit: 2 },
    { code: "not-found", http: 404, exit: 1 },
    { code: "conflict", http: 409, exit: 1 },
    { code: "unavailable", http: 503, exit: 1 },
    { code: "internal", http: 500, exit: 1 },
  ];
  for (const { code, http, exit } of cases) {
    it(`${code}: every fault on a line, the hint, exit status ${exit}`, async (context) => {
      const answer = {
        code,
        message: "2 values are wrong",
        faults: [
          { place: "--ip", message: "10.9.0.201 lies in the pool" },
          { place: "--mac", message: "52:54:00:00:00:01 is n001's" },
        ],
        hint: "provision list-nodes",
      };
      const head = await fakeHead(context, { "POST /api/nodes": problem(http, answer) });
      const { status, stdout, stderr } = await provision(["add-node", "n1", "--config", head.config]);
      assert.equal(stdout, "");
      assert.equal(
        stderr,
        "provision: 2 values are wrong\n" +
          "  --ip: 10.9.0.201 lies in the pool\n" +
          "  --mac: 52:54:00:00:00:01 is n001's\n" +
          "try: provision list-nodes\n",
      );
      assert.equal(status, exit);
    });
  }

  it("a malformed range is shown with a caret", async (context) => {
    const answer = {
      code: "invalid",
      message: 'malformed node range: expected a number, found "]" at character 3',
      faults: [{ place: "range", message: "n[]\n  ^" }],
      hint: "provision help ranges",
    };
    const head = await fakeHead(context, { "GET /api/nodes": problem(400, answer) });
    const { status, stderr } = await provision(["list-nodes", "n[]", "--config", head.config]);
    assert.equal(
      stderr,
      'provision: malformed node range: expected a number, found "]" at character 3\n' +
        "    n[]\n" +
        "      ^\n" +
        "try: provision help ranges\n",
    );
    assert.equal(status, 2);
  });

  it("an answer that is none of ours is a failure, without a stack", async (context) => {
    const head = await fakeHead(context, { "GET /api/nodes": problem(502, { surprise: true }) });
    const { status, stderr } = await provision(["list-nodes", "--config", head.config]);
    assert.equal(stderr, 'provision: the head answered with status 502: {"surprise":true}\n');
    assert.equal(status, 1);
  });

  it("a stack only for debugging", async (context) => {
    const head = await fakeHead(context, {});
    const env = { PROVISION_DEBUG: "1" };
    const { stderr } = await provision(["list-nodes", "--config", head.config], { env });
    assert.match(stderr, /\n {4}at .*client\.ts/);
  });
});
