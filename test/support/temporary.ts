import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A directory for one test, gone after it. */
export function temporaryDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "provision-test-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
