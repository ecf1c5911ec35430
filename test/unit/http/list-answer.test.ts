import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import express from "express";
import { streamList } from "../../../server/http/list-answer.ts";

async function answerOf(
  t: TestContext,
  count: number,
  answersOf: (items: readonly number[]) => Promise<readonly unknown[]>,
): Promise<{ status: number; body: Promise<unknown> }> {
  const app = express();
  const items = Array.from({ length: count }, (_, index) => index);
  app.get("/", (_, response) => streamList(response, "things", items, answersOf));
  const server = createServer(app).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return { status: answer.status, body: answer.json() };
}

for (const count of [0, 1, 50, 51, 1234]) {
  test(`a list of ${count} arrives whole and in order`, async (t) => {
    const { body } = await answerOf(t, count, async (items) => items.map((id) => ({ id })));
    assert.deepEqual(await body, { things: Array.from({ length: count }, (_, id) => ({ id })) });
  });
}

test("a list that cannot be finished is cut off, never taken for a whole one", async (t) => {
  const { body } = await answerOf(t, 500, async (items) => {
    if (items.includes(300)) throw new Error("gone");
    return items;
  });
  await assert.rejects(body);
});

test("one that fails at once is an error answer", async (t) => {
  const { status, body } = await answerOf(t, 5, () => Promise.reject(new Error("no")));
  body.catch(() => undefined);
  assert.equal(status, 500);
});
