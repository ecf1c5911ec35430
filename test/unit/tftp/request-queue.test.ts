import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Ip } from "../../../server/lib/ipv6.ts";
import { RequestQueue } from "../../../server/tftp/request-queue.ts";

const [one, two, three] = ["10.77.0.1", "10.77.0.2", "10.77.0.3"] as [Ipv4, Ipv4, Ipv4];
const limits = { queued: 6, queuedPerClient: 4, queuedMs: 1000 };
const anybody = () => true;

function queueOf(): { queue: RequestQueue<string>; dropped: string[] } {
  const dropped: string[] = [];
  return { queue: new RequestQueue<string>(limits, (item) => dropped.push(item)), dropped };
}

function all(queue: RequestQueue<string>, mayBegin: (client: Ip) => boolean = anybody): string[] {
  const items: string[] = [];
  for (;;) {
    const item = queue.next(mayBegin, 0);
    if (item === undefined) return items;
    items.push(item);
  }
}

test("clients take turns, however many requests one of them has", () => {
  const { queue } = queueOf();
  for (const item of ["1a", "1b", "1c"]) queue.add(one, item, 0);
  queue.add(two, "2a", 0);
  queue.add(three, "3a", 0);
  queue.add(three, "3b", 0);
  assert.deepEqual(all(queue), ["1a", "2a", "3a", "1b", "3b", "1c"]);
  assert.equal(queue.length, 0);
});

test("there is room for so many, and for so many of one client", () => {
  const { queue } = queueOf();
  const added = Array.from({ length: 5 }, (_, index) => queue.add(one, `1${index}`, 0));
  assert.deepEqual(added, [true, true, true, true, false]);
  assert.deepEqual(
    [queue.add(two, "2a", 0), queue.add(two, "2b", 0), queue.add(three, "3a", 0)],
    [true, true, false],
  );
});

test("a client that has its share is passed over, and keeps its turn", () => {
  const { queue } = queueOf();
  queue.add(one, "1a", 0);
  queue.add(two, "2a", 0);
  assert.deepEqual(
    all(queue, (client) => client !== one),
    ["2a"],
  );
  assert.deepEqual(all(queue), ["1a"]);
});

test("a client that does not ask again is dropped, also to make room", () => {
  const { queue, dropped } = queueOf();
  queue.add(one, "1a", 0);
  queue.add(two, "2a", 0);
  queue.askedAgain(two, "2a", 900);
  assert.equal(queue.next(anybody, 1500), "2a");
  assert.deepEqual(dropped, ["1a"]);
  for (const item of ["1b", "1c", "1d", "1e"]) queue.add(one, item, 2000);
  for (const item of ["2b", "2c"]) queue.add(two, item, 2000);
  assert.equal(queue.add(three, "3a", 2500), false);
  assert.equal(queue.add(three, "3a", 3600), true);
  assert.deepEqual(dropped.slice(1), ["1b", "1c", "1d", "1e", "2b", "2c"]);
  assert.equal(queue.length, 1);
});

test("one that asks for something else is taken out", () => {
  const { queue } = queueOf();
  queue.add(one, "1a", 0);
  queue.add(one, "1b", 0);
  queue.remove(one, "1a");
  queue.remove(one, "1a");
  queue.remove(two, "2a");
  assert.equal(queue.length, 1);
  assert.deepEqual(all(queue), ["1b"]);
});
