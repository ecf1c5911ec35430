import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import Handlebars from "handlebars";
import { AppError, errnoOf, messageOf } from "../lib/errors.ts";
import { templateFault } from "./fault.ts";
import { helpers } from "./quoting.ts";
import { strictProgram, text } from "./strict-program.ts";

/** The Handlebars templates of one directory. */
export type Templates = {
  /** What renders `<name>.hbs` as the file is now: the same function for as long as the file is the same. */
  compiled: (name: string) => Run;
  /** Renders `<name>.hbs`. Throws AppError `invalid` with the template's file and line when that cannot be done. */
  render: (name: string, view: object) => string;
};

type Run = (view: object) => string;

type Compiled = { version: string; run: Run };

/**
 * A template is compiled when first used and again when its file has changed. Strict: a variable that the view has not
 * is a fault, never an empty place in the output; in `{{#if}}` and `{{#each}}` too, so a view says `null` or `false`
 * where there may be nothing. Nothing is escaped, as none of this is HTML: a template quotes with a helper (quoting.ts).
 *
 * `shownAs` is what faults call the directory.
 */
export function createTemplates(directory: string, shownAs = directory): Templates {
  const cache = new Map<string, Compiled>();
  const compiled = (name: string): Run => {
    if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name)) throw new AppError("invalid", `${name} is no template's name`);
    const file = join(directory, `${name}.hbs`);
    const place = join(shownAs, `${name}.hbs`);
    const version = versionOf(file, place);
    let known = cache.get(name);
    if (known?.version !== version) {
      known = { version, run: compile(readFileSync(file, "utf8"), place) };
      cache.set(name, known);
    }
    return known.run;
  };
  return { compiled, render: (name, view) => compiled(name)(view) };
}

/** Changes whenever the file does; an editor that writes a new file and renames it gives a new inode. */
function versionOf(file: string, place: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    const reason = errnoOf(error) ?? messageOf(error);
    throw new AppError("environment", `cannot read the template ${place}: ${reason}`, { cause: error });
  }
}

function compile(source: string, place: string): Run {
  const located = <Result>(work: () => Result): Result => {
    try {
      return work();
    } catch (error) {
      throw templateFault(error, place);
    }
  };
  const run = located(() => Handlebars.compile<object>(strictProgram(source), compileOptions));
  return (view) => located(() => run(view, { helpers: allHelpers }));
}

const allHelpers = { ...helpers, text };

const compileOptions = {
  strict: true,
  noEscape: true,
  knownHelpersOnly: true,
  knownHelpers: Object.fromEntries(Object.keys(allHelpers).map((name) => [name, true])) as KnownHelpers,
};
