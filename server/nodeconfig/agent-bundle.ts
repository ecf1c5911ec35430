import { join } from "node:path";
import { build, stop } from "esbuild";
import { AppError, messageOf } from "../lib/errors.ts";

const entry = join(import.meta.dirname, "../../agent/main.ts");

/**
 * The agent as one file that Node 26 runs as it is. Made when the head starts, so the nodes' agents always speak the
 * head's own protocol. Legible, because a node's administrator may want to read what runs there.
 */
export async function bundleAgent(): Promise<Uint8Array> {
  try {
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "node26",
      charset: "utf8",
      logLevel: "silent",
      // Settings of a tsconfig.json that lies about are none of the agent's business.
      tsconfigRaw: {},
    });
    const [bundle] = outputFiles;
    if (bundle === undefined) throw new Error("esbuild made no file");
    return bundle.contents;
  } catch (error) {
    throw new AppError("environment", `cannot bundle the node agent: ${messageOf(error)}`, {
      hint: "run scripts/setup, which installs esbuild for this machine",
      cause: error,
    });
  } finally {
    // esbuild keeps a process for the next build; there is none.
    await stop();
  }
}
