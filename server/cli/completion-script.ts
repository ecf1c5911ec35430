import type { Command } from "commander";
import { settableOptionNames } from "../dhcp/option-text.ts";
import { loaderKinds } from "../model/arch.ts";
import { helpTopics } from "./help-topics.ts";

/** What an argument or a flag's value is completed with, by the name it has in the help. */
const valueKinds: Readonly<Record<string, string>> = {
  range: "range",
  node: "node",
  groups: "group",
  group: "group",
  image: "image",
  loader: loaderKinds.join(" "),
  file: "file",
  path: "file",
  directory: "directory",
  when: "auto always never",
  what: "bash",
  option: settableOptionNames()
    .map((name) => `${name}=`)
    .join(" "),
};

/** A bash script made from the command line's own definition, so that it cannot fall behind. */
export function bashCompletion(program: Command): string {
  const commands = leaves(program, []);
  const words = Map.groupBy(commands, ({ path }) => path.slice(0, -1).join(" "));
  const nextWords = [...words].map(
    ([prefix, list]) => `    "${prefix}") words="${list.map(({ path }) => path.at(-1)).join(" ")}" ;;`,
  );
  const flags = commands.map(
    ({ path, command }) => `    "${path.join(" ")}") words="${flagsOf(command).join(" ")}" ;;`,
  );
  const values = commands.flatMap(({ path, command }) =>
    command.options.flatMap((option) => {
      const kind = valueKinds[/[<[](?<name>[a-z]+)/.exec(option.flags)?.groups?.["name"] ?? ""];
      return kind === undefined || option.long === undefined
        ? []
        : [`    "${path.join(" ")} ${option.long}") kind="${kind}" ;;`];
    }),
  );
  const places = commands.map(({ path, command }) => {
    const argument = command.registeredArguments[0]?.name() ?? "";
    const kind = argument === "words" ? topics(program) : valueKinds[argument];
    return kind === undefined ? "" : `    "${path.join(" ")}") kind="${kind}" ;;\n`;
  });
  const valued = commands.flatMap(({ command }) =>
    command.options.flatMap((option) => (option.required && option.long !== undefined ? [option.long] : [])),
  );
  return script({
    nextWords: nextWords.join("\n"),
    flags: flags.join("\n"),
    values: values.join("\n"),
    places: places.join("").trimEnd(),
    valued: [...new Set(valued)].join("|"),
  });
}

function topics(program: Command): string {
  return [...program.commands.map((command) => command.name()), ...helpTopics.keys()].join(" ");
}

type Leaf = { path: readonly string[]; command: Command };

function leaves(command: Command, path: readonly string[]): readonly Leaf[] {
  return command.commands.flatMap((child) => {
    const childPath = [...path, child.name()];
    return [{ path: childPath, command: child }, ...leaves(child, childPath)];
  });
}

function flagsOf(command: Command): readonly string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => long ?? []);
}

type Tables = { nextWords: string; flags: string; values: string; places: string; valued: string };

function script({ nextWords, flags, values, places, valued }: Tables): string {
  return `# bash completion for provision; made by: provision completion bash
_provision() {
  local line="\${COMP_LINE:0:COMP_POINT}" current path="" previous="" word words="" kind="" named=0 i
  current="\${line##*[[:space:]]}"
  # Words as typed, not as readline breaks them at "@" and "=".
  local -a typed; read -ra typed <<< "\${line%"$current"}"
  for ((i = 1; i < \${#typed[@]}; i++)); do
    word="\${typed[i]}"
    case "$word" in
      ${valued}) previous="$word"; continue ;;
      -*) continue ;;
    esac
    if [ -z "$previous" ]; then
      words=""
      case "$path" in
${nextWords}
      esac
      if [[ " $words " == *" $word "* ]]; then path="\${path:+$path }$word"; else named=1; fi
    fi
    previous=""
  done
  words=""
  if [ -n "$previous" ]; then
    case "$path $previous" in
${values}
    esac
  fi
  if [ -z "$kind" ] && [[ "$current" == -* ]]; then
    case "$path" in
${flags}
    esac
  elif [ -z "$kind" ] && [ "$named" = 0 ]; then
    case "$path" in
${nextWords}
    esac
    case "$path" in
${places}
    esac
  fi
  local prefix=""
  case "$kind" in
    range|group)
      # The item after the last operator of a range.
      if [[ "$current" == *[,!\\&]* ]]; then prefix="\${current%"\${current##*[,!&]}"}"; fi ;;
  esac
  case "$kind" in
    range) words=$(provision completion words 2>/dev/null | sed -n 's/^node //p; s/^group /@/p') words+=" all" ;;
    node|group|image) words=$(provision completion words 2>/dev/null | sed -n "s/^$kind //p") ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    directory) mapfile -t COMPREPLY < <(compgen -d -- "$current"); compopt -o filenames; return ;;
    "") ;;
    *) words="$kind" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$words" -- "\${current#"$prefix"}")
  # Readline replaces only what follows the last character at which it breaks words.
  local breaks="\${current%"\${current##*["$COMP_WORDBREAKS"]}"}"
  if [ -n "$breaks" ]; then COMPREPLY=("\${COMPREPLY[@]#"$breaks"}"); fi
}
complete -F _provision provision`;
}
