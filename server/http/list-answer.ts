import type { Response } from "express";

/** Items made at a time: packets are answered in between, and the text stays small enough for the young generation. */
const itemsAtOnce = 50;

/**
 * Sends `{"NAME":[…]}` piece by piece, no faster than it is read: made in one go, a list of 100,000 would keep everybody
 * waiting and take hundreds of megabytes. Cut off when an item cannot be made: half a list must not pass for a whole.
 */
export async function streamList<Item>(
  response: Response,
  name: string,
  items: readonly Item[],
  answersOf: (items: readonly Item[]) => Promise<readonly unknown[]>,
): Promise<void> {
  const first = await answersOf(items.slice(0, itemsAtOnce)); // what fails, fails mostly here: in time for an error answer
  response.type("json").write(`{${JSON.stringify(name)}:[`);
  try {
    await writeItems(response, first, "");
    for (let at = itemsAtOnce; at < items.length; at += itemsAtOnce) {
      await new Promise((resolve) => setImmediate(resolve));
      await writeItems(response, await answersOf(items.slice(at, at + itemsAtOnce)), ",");
    }
    response.end("]}");
  } catch {
    response.destroy();
  }
}

async function writeItems(response: Response, answers: readonly unknown[], before: string): Promise<void> {
  if (answers.length === 0) return;
  const text = answers.map((answer) => JSON.stringify(answer)).join(",");
  if (response.destroyed) throw new Error("the reader has gone");
  if (!response.write(before + text)) await drained(response);
}

function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
