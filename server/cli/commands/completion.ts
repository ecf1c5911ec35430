import type { Command } from "commander";
import { HeadClient, headListens } from "../client.ts";
import { bashCompletion } from "../completion-script.ts";
import { act, type CommandText, define } from "../define.ts";
import { usageError } from "../problem.ts";
import type { Run, Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "print a completion script for bash",
  description: `Prints a script for bash that completes commands, flags, and, while a head runs, the names of nodes, groups and images.`,
  examples: [
    ["source <(provision completion bash)", "in this shell"],
    [
      "provision completion bash | sudo tee /etc/bash_completion.d/provision >/dev/null",
      "in every shell from now on",
    ],
  ],
};

/** `provision completion bash`; `completion words` is what that script asks. */
export function addCompletion(program: Command, surroundings: Surroundings): void {
  const command = define(program, "completion", text).argument("<what>", "bash");
  act(command, text, "other", surroundings, async (run, what = "") => {
    if (what === "bash") run.terminal.out(bashCompletion(program));
    else if (what === "words") await printWords(run);
    else throw usageError("", `there is no completion for ${what}`, "provision completion bash");
  });
}

/** Names for the script, one a line; silent about everything that is wrong, since the user is in the midst of a line. */
async function printWords(run: Run): Promise<void> {
  try {
    const { socket } = run.config();
    if (!(await headListens(socket))) return;
    const head = new HeadClient(socket, run.surroundings.interrupt());
    const [{ nodes }, { groups }, { images }] = await Promise.all([
      head.briefNodes(),
      head.groups(),
      head.images(),
    ]);
    const words = [
      ...nodes.map(({ name }) => `node ${name}`),
      ...groups.map(({ name }) => `group ${name}`),
      ...images.flatMap(({ name, version }) => [`image ${name}`, `image ${name}@${version}`]),
    ];
    run.terminal.out([...new Set(words)].join("\n"));
  } catch {
    // Nothing to offer.
  }
}
