import type { TestEvent } from "node:test/reporters";

/** A reporter that writes `passed failed skipped` for a whole run: tests, not the suites around them. */
export default async function* count(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    if (event.data.details.type === "suite") continue;
    if (event.data.skip !== undefined || event.data.todo !== undefined) counts.skipped += 1;
    else if (event.type === "test:pass") counts.passed += 1;
    else counts.failed += 1;
  }
  yield `${counts.passed} ${counts.failed} ${counts.skipped}\n`;
}
