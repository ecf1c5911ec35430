import { existsSync, globSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { BuildOptions, BuildResult } from "../../image/build.ts";
import type { ImageArchitecture } from "../../image/definition.ts";
import { systemClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { nearestName } from "../../model/nearest-name.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatBytes, formatDuration } from "../format.ts";
import { imageStoreOf } from "../image-store.ts";
import { createProgressReport } from "../progress.ts";
import type { Run, Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "build a node image from its definition",
  description: `Builds a node image from its definition in images/NAME of the checkout, keeps it as a new immutable version in the image store, and makes that version the current one: what nodes boot that name only the image. When a version from the very same definition is there already, that one is made current and nothing is built.

It takes some minutes, about 1.5 GB while it runs, root, and a mirror of Debian. Ctrl-C ends it and leaves nothing behind. Nodes that run keep the version they have booted. No configuration is needed: without one the store is /var/lib/provision/images.`,
  examples: [
    ["sudo provision build-image debian-13", "build it, unless it is built already"],
    [
      "sudo provision build-image debian-13 --force",
      "build it anew, with what Debian's archive offers today",
    ],
    ["provision build-image debian-13 --dry-run", "only say whether something would be built"],
  ],
  exitStatus: [
    "0  the version is there and current",
    "1  failed; the store is as it was",
    "2  wrong usage, or a faulty definition",
  ],
};

type Options = {
  force?: boolean;
  architecture?: ImageArchitecture;
  nodeBinary?: string;
  imageStore?: string;
};

/** `provision build-image` */
export function addBuildImage(program: Command, surroundings: Surroundings): void {
  const command = define(program, "build-image", text)
    .argument("<image>", "name of the image: a directory below images/")
    .option("--force", "build even when nothing in the definition has changed")
    .option("--architecture <name>", "amd64 or arm64 (default: this machine's)", architectureOf)
    .option(
      "--node-binary <file>",
      "the Node that nodes of that architecture run their agent with (default: the one that runs this command)",
    )
    .option("--image-store <directory>", "image store (default: imageStore of the configuration)");
  act<Options>(command, text, "changes", surroundings, async (run, name = "") => {
    const settings = settingsOf(run, name);
    const result = run.options.dryRun === true ? await plan(settings) : await build(run, settings);
    if (run.options.json === true) run.json(result);
    else run.terminal.out(describe(name, result, run.options.dryRun === true));
  });
}

function architectureOf(value: string): ImageArchitecture {
  if (value === "amd64" || value === "arm64") return value;
  throw new InvalidArgumentError("it takes amd64 or arm64.");
}

type Settings = Pick<
  BuildOptions,
  "definitionDirectory" | "store" | "nodeBinary" | "architecture" | "force" | "environment"
>;

function settingsOf(run: Run<Options>, name: string): Settings {
  const { options, surroundings } = run;
  const definitionDirectory = join(surroundings.checkout, "images", name);
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name) || !existsSync(join(definitionDirectory, "image.yaml"))) {
    throw noSuchImage(surroundings.checkout, name);
  }
  return {
    definitionDirectory,
    store: options.imageStore ?? imageStoreOf(run),
    nodeBinary: options.nodeBinary ?? process.execPath,
    architecture: options.architecture ?? (process.arch === "arm64" ? "arm64" : "amd64"),
    force: options.force === true,
    environment: surroundings.env,
  };
}

function noSuchImage(checkout: string, name: string): AppError {
  const names = globSync("images/*/image.yaml", { cwd: checkout }).map((file) =>
    dirname(file).slice("images/".length),
  );
  const near = nearestName(name, names);
  return new AppError(
    "not-found",
    `there is no image ${name} in ${join(checkout, "images")}; it has ${names.sort().join(", ")}`,
    near === undefined ? {} : { hint: `provision build-image ${near}` },
  );
}

async function build(run: Run<Options>, settings: Settings): Promise<Outcome> {
  const { buildImage } = await import("../../image/build.ts");
  const report = createProgressReport(run.terminal, systemClock);
  const timer = setInterval(report.tick, 1000);
  const startedAtMs = Date.now();
  try {
    const result = await buildImage({
      ...settings,
      onProgress: report.update,
      signal: run.surroundings.interrupt(),
      log: run.log(),
    });
    return { ...result, durationMs: Date.now() - startedAtMs };
  } finally {
    clearInterval(timer);
    report.end();
  }
}

/** `version` is absent where one would have to be built. */
type Outcome = Partial<BuildResult> & { durationMs?: number };

async function plan({
  nodeBinary,
  architecture,
  definitionDirectory,
  store,
  force,
}: Settings): Promise<Outcome> {
  const [{ readDefinition }, { inputsDigest }, { inspectNodeBinary }, { createImageCatalog }] =
    await Promise.all([
      import("../../image/definition.ts"),
      import("../../image/inputs.ts"),
      import("../../image/node-binary.ts"),
      import("../../image/versions.ts"),
    ]);
  const { name } = readDefinition(definitionDirectory);
  const { sha256 } = await inspectNodeBinary(nodeBinary, architecture);
  const digest = inputsDigest({ definitionDirectory, architecture, nodeDigest: sha256 });
  const isBuilt = (image: { name: string; inputsDigest: string }): boolean =>
    image.name === name && image.inputsDigest === digest;
  const version = force ? undefined : createImageCatalog(store).list().find(isBuilt);
  return version === undefined ? { cached: false } : { version, cached: true };
}

function describe(name: string, { version, cached, durationMs = 0 }: Outcome, dryRun: boolean): string {
  if (version === undefined) return `would build: ${name}`;
  const full = `${version.name}@${version.version}`;
  if (dryRun) return `would build nothing: ${full} is built from this definition`;
  if (cached === true)
    return `${full} is current; its definition has not changed since (--force builds anyway)`;
  return `${full} is built and current: ${formatBytes(version.bytes)}, in ${formatDuration(durationMs)}`;
}
