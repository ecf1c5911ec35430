import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bootNumber, bootToken, isGenuine, readToken, sequenceOf } from "../../../server/boot/boot-number.ts";
import { KeyedDigest } from "../../../server/boot/keyed-digest.ts";
import { Credentials, type SecretStore } from "../../../server/boot/credentials.ts";
import type { NodeSecret } from "../../../server/model/node-secret.ts";
import type { ClusterNode } from "../../../server/model/node.ts";

const node = { id: 7, name: "n7" } as ClusterNode;
const other = { id: 8, name: "n8" } as ClusterNode;

/** A disk: what is saved outlives the head; what is not is gone with it. `full` makes it refuse. */
function disk() {
  const rows = new Map<number, NodeSecret>();
  const state = { full: false, saves: 0 };
  let key = "";
  const write = async (secrets: readonly NodeSecret[]): Promise<void> => {
    await Promise.resolve();
    if (state.full) throw new Error("SQLITE_FULL");
    state.saves += 1;
    for (const secret of secrets) rows.set(secret.nodeId, secret);
  };
  const store: SecretStore = {
    load: async () => [...rows.values()],
    save: write,
    headKey: async (make) => (key ||= make()),
  };
  return { rows, state, store };
}

/** A head that starts on this disk. Leaving one behind without a word is kill -9. */
async function head(on: { store: SecretStore }): Promise<Credentials> {
  const credentials = new Credentials(on.store);
  await credentials.load();
  return credentials;
}

test("a boot's number and token outlive a head that was killed before it wrote anything", async () => {
  const on = disk();
  const first = await head(on);
  const number = first.beginBoot(node, 1000);
  const token = first.tokenOf(node, number);
  assert.equal(on.state.saves, 0);

  const second = await head(on);
  assert.equal(second.stateOfBoot(node, number), "current");
  assert.equal(second.tokenOf(node, number), token);
  const third = await head(on);
  assert.equal(third.prove(node, token), "boot-token", "with the token alone: its files were fetched before");
  assert.equal(await third.exchange(node, token, "mine"), true);
});

test("an overtaken boot stays refused, and under the next head as soon as the newer one has shown itself", async () => {
  const on = disk();
  const first = await head(on);
  const old = first.beginBoot(node, 1000);
  const token = first.tokenOf(node, old);
  const newer = first.beginBoot(node, 1000);
  assert.equal(first.stateOfBoot(node, old), "unknown");
  assert.equal(first.prove(node, token), "nothing");
  assert.equal(await first.exchange(node, token, "thief"), false);

  const killed = await head(on);
  assert.equal(killed.stateOfBoot(node, newer), "current");
  assert.equal(killed.stateOfBoot(node, old), "unknown");

  await first.flush();
  const saved = await head(on);
  assert.equal(saved.stateOfBoot(node, old), "unknown", "with the newer one on the disk, from the first");
});

test("a spent boot is spent for good, and every one before it, whatever else was forgotten", async () => {
  const on = disk();
  const first = await head(on);
  const older = first.beginBoot(node, 1000);
  const spent = first.beginBoot(node, 2000);
  assert.equal(await first.exchange(node, first.tokenOf(node, spent), "mine"), true);

  const second = await head(on);
  assert.equal(second.stateOfBoot(node, spent), "spent");
  assert.equal(second.stateOfBoot(node, older), "unknown");
  assert.equal(await second.exchange(node, second.tokenOf(node, spent), "thief"), false);
  assert.equal(await second.exchange(node, second.tokenOf(node, spent), "mine"), true, "the answer was lost");
  assert.equal(second.beginBoot(node, 500) > spent, true, "a clock that was set back makes no older boot");
});

test("a new boot leaves the running system its credential, on the disk too", async () => {
  const on = disk();
  const first = await head(on);
  const { createHash } = await import("node:crypto");
  const digest = createHash("sha256").update("secret").digest("hex");
  await first.exchange(node, first.tokenOf(node, first.beginBoot(node, 1000)), digest);
  first.beginBoot(node, 2000);
  assert.equal(first.prove(node, "secret"), "credential");
  await first.flush();
  assert.equal((await head(on)).prove(node, "secret"), "credential");
});

test("an exchange that the disk refuses is not acknowledged, and can be made again", async () => {
  const on = disk();
  const credentials = await head(on);
  const token = credentials.tokenOf(node, credentials.beginBoot(node, 1000));
  on.state.full = true;
  await assert.rejects(credentials.exchange(node, token, "mine"), /FULL/);
  assert.equal(credentials.prove(node, token), "boot-token");
  on.state.full = false;
  assert.equal(await credentials.exchange(node, token, "other"), true);
});

test("the same exchange twice at once: neither is acknowledged before it is on the disk", async () => {
  const on = disk();
  const credentials = await head(on);
  const token = credentials.tokenOf(node, credentials.beginBoot(node, 1000));
  const acknowledged = async (): Promise<boolean> => {
    const good = await credentials.exchange(node, token, "mine");
    assert.equal(on.rows.get(node.id)?.spentOn, "mine");
    return good;
  };
  assert.deepEqual(await Promise.all([acknowledged(), acknowledged()]), [true, true]);
});

test("a boot begun while another is being spent is the one that counts, in memory and on the disk", async () => {
  const on = disk();
  const credentials = await head(on);
  const spending = credentials.exchange(
    node,
    credentials.tokenOf(node, credentials.beginBoot(node, 1000)),
    "mine",
  );
  const newer = credentials.beginBoot(node, 2000);
  await Promise.all([spending, credentials.flush()]);
  await credentials.flush();
  assert.equal(on.rows.get(node.id)?.bootNonce, newer);
  assert.equal((await head(on)).stateOfBoot(node, newer), "current");
});

test("numbers that could not be written are written later, and the failure is told", async () => {
  const on = disk();
  const told: unknown[] = [];
  const credentials = new Credentials(on.store, (error) => told.push(error));
  await credentials.load();
  const number = credentials.beginBoot(node, 1000);
  on.state.full = true;
  await credentials.flush();
  assert.equal(told.length, 1);
  on.state.full = false;
  await credentials.stop();
  assert.equal(on.rows.get(node.id)?.bootNonce, number);
});

test("thousands of boots are a few writes", async () => {
  const on = disk();
  const credentials = await head(on);
  for (let id = 1; id <= 5000; id += 1) credentials.beginBoot({ ...node, id: id % 500 }, id);
  await credentials.flush();
  assert.equal(on.state.saves, 1);
  assert.equal(on.rows.size, 500);
});

test("no number is good that this head's key did not make for this node", async () => {
  const on = disk();
  const credentials = await head(on);
  const number = credentials.beginBoot(node, 1000);
  assert.equal(credentials.stateOfBoot(other, number), "unknown");
  assert.equal((await head(disk())).stateOfBoot(node, number), "unknown", "another key");
  fc.assert(
    fc.property(
      fc.nat(number.length - 1),
      fc.constantFrom("0", "1", "7", "9", "a", "e", "f", "g", "F"),
      (at, digit) => {
        const forged = number.slice(0, at) + digit + number.slice(at + 1);
        assert.equal(credentials.stateOfBoot(node, forged), forged === number ? "current" : "unknown");
      },
    ),
  );
  for (const text of ["", "0123456789abcdef", "f".repeat(40), `${number}0`, number.slice(1)])
    assert.equal(credentials.stateOfBoot(node, text), "unknown", text);
});

test("numbers and tokens are read back; of two the newer has the larger sequence", () => {
  const [key, other] = [new KeyedDigest("key"), new KeyedDigest("kez")];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 47 }), fc.nat(), (sequence, id) => {
      const number = bootNumber(key, id, { sequence, random: "01234567" });
      assert.equal(number.length, 40);
      assert.ok(
        isGenuine(key, id, number) && !isGenuine(other, id, number) && !isGenuine(key, id + 1, number),
      );
      assert.equal(sequenceOf(number), sequence);
      const token = bootToken(key, id, number);
      assert.equal(readToken(key, id, token), number);
      assert.equal(
        readToken(
          key,
          id,
          token.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
        ),
        undefined,
      );
    }),
  );
});
