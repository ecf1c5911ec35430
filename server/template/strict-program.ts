import Handlebars from "handlebars";
import { helpers } from "./quoting.ts";

/**
 * A template's syntax tree, stricter than Handlebars' own strict mode, which looks at `{{name}}` only:
 *
 * - the arguments of helpers and blocks have to exist too;
 * - `{{name}}` becomes `{{text name}}`, because Handlebars without escaping joins neighbours with JavaScript's `+`, which
 *   adds two numbers, and prints nothing for null and "[object Object]" for an object;
 * - what escapes every check is refused: block parameters and partials.
 */
export function strictProgram(source: string): hbs.AST.Program {
  const program = Handlebars.parse(source);
  new StrictVisitor().accept(program);
  return program;
}

/** The helper that every `{{name}}` goes through. `loc` is the place in the template, which Handlebars hands over. */
export function text(value: unknown, options: { loc: hbs.AST.SourceLocation }): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return String(value);
  const kind = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  throw refusal(options, `text is wanted here, and this is ${kind}`);
}

class StrictVisitor extends Handlebars.Visitor {
  override PathExpression(path: hbs.AST.PathExpression): void {
    Object.assign(path, { strict: true }); // read by the compiler (lookupOnContext), not in its types
  }

  override MustacheStatement(mustache: hbs.AST.MustacheStatement): void {
    super.MustacheStatement(mustache);
    const { path } = mustache;
    if (!("parts" in path) || mustache.params.length > 0 || path.original in helpers) return;
    mustache.params = [path];
    mustache.path = { ...path, data: false, depth: 0, parts: ["text"], original: "text" };
  }

  override Program(program: hbs.AST.Program): void {
    if (program.blockParams?.length) throw refusal(program, "`as |name|` is not for these templates");
    super.Program(program);
  }

  override PartialStatement(partial: hbs.AST.PartialStatement): void {
    throw refusal(partial, "there are no partials: `{{> …}}`");
  }
}

function refusal(place: { loc: hbs.AST.SourceLocation }, message: string): unknown {
  return new Handlebars.Exception(message, place as hbs.AST.Node);
}
