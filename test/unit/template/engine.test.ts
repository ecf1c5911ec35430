import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import { createTemplates } from "../../../server/template/engine.ts";

const directory = mkdtempSync(join(tmpdir(), "templates-"));
after(() => rmSync(directory, { recursive: true }));
let count = 0;

function render(source: string, view: object): string {
  const name = `t${count++}`;
  writeFileSync(join(directory, `${name}.hbs`), source);
  return createTemplates(directory, "templates/x").render(name, view);
}

function faultOf(source: string, view: object = {}): string {
  const name = `t${count}`;
  try {
    render(source, view);
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, "invalid");
    assert.equal(error.message, `the template templates/x/${name}.hbs cannot be rendered`);
    assert.equal(error.faults.length, 1);
    const { place, message } = error.faults[0] ?? assert.fail();
    assert.ok(place.startsWith(`templates/x/${name}.hbs`), place);
    return `${place.slice(`templates/x/${name}.hbs`.length)} ${message}`;
  }
  assert.fail("the template was rendered");
}

describe("template engine", () => {
  it("renders variables, blocks and lists without escaping anything", () => {
    const view = { a: "<&\"'`=>", list: [{ n: 1 }, { n: 2 }], on: true, off: false, none: null };
    assert.equal(render("{{a}}", view), "<&\"'`=>");
    assert.equal(render("{{#each list}}{{n}}{{@index}}{{../list.length}} {{/each}}", view), "102 212 ");
    assert.equal(render("{{#if on}}y{{/if}}{{#if off}}n{{else}}e{{/if}}{{#if none}}n{{/if}}", view), "ye");
    assert.equal(render("{{#unless off}}u{{/unless}}{{#with list.[0]}}{{n}}{{/with}}", view), "u1");
  });

  it("names file, line and variable of what is missing, wherever it is used", () => {
    assert.equal(faultOf("a\nb {{host}}\n"), ':2 there is no variable "host" here');
    assert.equal(faultOf("\n\n{{node.name}}", { node: {} }), ':3 there is no variable "name" here');
    assert.equal(faultOf("{{node.name}}"), ':1 there is no variable "name" here');
    assert.equal(faultOf("\n{{#if dns}}x{{/if}}"), ':2 there is no variable "dns" here');
    assert.equal(faultOf("\n{{#each nodes}}x{{/each}}"), ':2 there is no variable "nodes" here');
    assert.equal(
      faultOf("{{#each l}}\n{{x}}{{/each}}", { l: [{ y: 1 }] }),
      ':2 there is no variable "x" here',
    );
    assert.equal(faultOf("{{shell token}}"), ':1 there is no variable "token" here');
    assert.equal(faultOf("{{@root.p}}"), ':1 there is no variable "p" here');
  });

  it("prints text and numbers as they are, side by side, and nothing else", () => {
    assert.equal(render("{{a}}{{b}}{{c}}", { a: 1, b: 2, c: true }), "12true");
    assert.equal(faultOf("\n{{x}}", { x: null }), ":2 text is wanted here, and this is null");
    assert.equal(faultOf("\n{{x}}", { x: undefined }), ":2 text is wanted here, and this is undefined");
    assert.equal(
      faultOf("{{#each x}}\n{{this}}{{/each}}", { x: [{}] }),
      ":2 text is wanted here, and this is object",
    );
    assert.equal(faultOf("{{x}}", { x: ["a"] }), ":1 text is wanted here, and this is a list");
  });

  it("names file and line of a text that is no template", () => {
    assert.equal(faultOf("a\n\n{{{\n"), ":3 no well-formed Handlebars near: a{{{");
    assert.match(faultOf("\n{{#if x}}{{/each}}", { x: 1 }), /^:2 if doesn't match each$/);
    assert.equal(faultOf("\n{{upper x}}", { x: 1 }), ':2 there is no helper "upper"');
    assert.match(faultOf("\n{{> other}}"), /^:2 there are no partials/);
    assert.match(faultOf("\n{{#each x as |y|}}{{y}}{{/each}}", { x: [] }), /^:2 `as \|name\|`/);
  });

  it("takes a changed file into use, and keeps a compiled one otherwise", () => {
    const file = join(directory, "live.hbs");
    const templates = createTemplates(directory);
    writeFileSync(file, "one {{x}}");
    assert.equal(templates.render("live", { x: 1 }), "one 1");
    writeFileSync(`${file}.new`, "two {{x}}");
    renameSync(`${file}.new`, file);
    assert.equal(templates.render("live", { x: 2 }), "two 2");
    writeFileSync(file, "{{#if}");
    assert.throws(() => templates.render("live", { x: 2 }), AppError);
    writeFileSync(file, "three");
    assert.equal(templates.render("live", {}), "three");
  });

  it("refuses names that would leave the directory, and says which template is not there", () => {
    const templates = createTemplates(directory, "templates/x");
    for (const name of ["../etc/passwd", "/etc/passwd", "", ".", "..", "a/b", "a\0b", ".hidden"]) {
      assert.throws(() => templates.render(name, {}), /is no template's name/, JSON.stringify(name));
    }
    assert.throws(() => templates.render("absent", {}), {
      code: "environment",
      message: "cannot read the template templates/x/absent.hbs: ENOENT",
    });
  });

  it("quotes any text for a shell and for JSON", () => {
    const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0"));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), (values) => {
        const script = render("{{#each values}}printf '%s\\0' {{shell this}}\n{{/each}}", { values });
        const printed = execFileSync("sh", { input: script, encoding: "utf8" });
        assert.deepEqual(printed.split("\0").slice(0, -1), values);
      }),
      { numRuns: 20 },
    );
    fc.assert(
      fc.property(fc.string(), (value) => JSON.parse(render("{{json value}}", { value })) === value),
      {
        numRuns: 50,
      },
    );
  });
});
