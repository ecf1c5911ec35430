import type { Command } from "commander";
import type { RenderAnswer, RenderedFile } from "../../model/answers.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatBytes } from "../format.ts";
import type { Surroundings } from "../run.ts";
import type { Terminal } from "../terminal.ts";

const text: CommandText = {
  summary: "print exactly what a node would be given",
  description: `Prints what a node would be given if it booted now: the DHCP options that each kind of client gets, the boot script, the kernel arguments, and every file of its overlay. Nothing is sent or changed. Secrets, such as keys and tokens, are only named.`,
  examples: [
    ["provision render n001", "everything"],
    ["provision render n001 --json | jq -r .bootScript", "the boot script alone"],
    ["diff <(provision render n001) <(provision render n002)", "what two nodes do not have in common"],
  ],
};

/** `provision render` */
export function addRender(program: Command, surroundings: Surroundings): void {
  const command = define(program, "render", text).argument("<node>", "name of a node");
  act(command, text, "reads", surroundings, async (run, node = "") => {
    const answer = await run.head((head) => head.render(node));
    if (run.options.json === true) run.json(answer);
    else run.terminal.out(sections(answer, run.terminal.paint).join("\n\n"));
  });
}

function sections(answer: RenderAnswer, paint: Terminal["paint"]): readonly string[] {
  const heading = (title: string): string => paint("bold", `== ${title}`);
  const section = (title: string, body: string): string => `${heading(title)}\n${body}`;
  return [
    section(`${answer.node}: image`, answer.image),
    ...(answer.network === undefined ? [] : [section("network", answer.network)]),
    ...answer.dhcp.map(({ client, options }) => {
      const width = Math.max(0, ...options.map(({ name }) => name.length));
      const lines = options.map(
        ({ name, value, from }) =>
          `${name.padEnd(width)}  ${value}${from === undefined ? "" : `  (${from})`}`,
      );
      return section(`DHCP options for ${client}`, lines.join("\n"));
    }),
    section("boot script", answer.bootScript.trimEnd()),
    section("kernel arguments", answer.kernelArguments),
    ...answer.files.map((file) =>
      section(`file ${file.path}  ${file.mode}  ${formatBytes(file.bytes)}`, bodyOf(file)),
    ),
  ];
}

function bodyOf(file: RenderedFile): string {
  if (file.secret) return "(secret)";
  return file.text === undefined ? "(not text)" : file.text.trimEnd() || "(empty)";
}
