import { AppError } from "../lib/errors.ts";

/**
 * The one grammar for sets of nodes, ClusterShell's and xCAT's common ground:
 *
 *     range   = item { "," item }              what all plain items name, less what all "!" items name
 *     item    = [ "!" ] operand { ( "!" | "&" ) operand }     from left to right: without, in both
 *     operand = name | "@" name | "@*" | "all"                 the last two: every node ("@all" too)
 *     name    = { letter | digit | "-" | "_" | "." | "[" part { "," part } "]" }    several brackets: every combination
 *     part    = number [ "-" number [ "/" step ] ]            a leading zero of the first number sets the width
 *
 * Blanks around items and operators do not matter. A range without a plain item is refused rather than taken as "all
 * but": `remove-node '!n5'` must not remove a rack.
 */
export type RangeTree = { items: readonly RangeItem[] };

export type RangeItem = {
  remove: boolean;
  first: Operand;
  rest: readonly { operator: "!" | "&"; operand: Operand }[];
};

/** Brackets are expanded already. `text` is the operand as written. */
export type Operand =
  | { kind: "all"; text: string }
  | { kind: "names" | "groups"; names: readonly string[]; text: string };

/** A typing error (`n[1-99999999]`) must not fill the memory. */
const maxNames = 100_000;
const maxDigits = 15;

/** Throws AppError "invalid" with the place of the fault and what was expected there. */
export function parseRange(text: string): RangeTree {
  const parser = new Parser(text);
  return { items: parser.range() };
}

class Parser {
  readonly #text: string;
  #at = 0;
  /** Names made so far, over all items. */
  #count = 0;

  constructor(text: string) {
    this.#text = text;
  }

  range(): readonly RangeItem[] {
    const items = [this.#item()];
    while (this.#take(",")) items.push(this.#item());
    if (this.#at < this.#text.length) this.#fail('"," or the end of the range');
    if (items.every((item) => item.remove)) {
      this.#refuse(`nothing to take ${this.#text.trim()} from; all but that is all,${this.#text.trim()}`, 0);
    }
    return items;
  }

  #item(): RangeItem {
    const remove = this.#take("!");
    const first = this.#operand();
    const rest: RangeItem["rest"][number][] = [];
    for (;;) {
      const operator = this.#take("!") ? "!" : this.#take("&") ? "&" : undefined;
      if (operator === undefined) return { remove, first, rest };
      rest.push({ operator, operand: this.#operand() });
    }
  }

  #operand(): Operand {
    this.#blanks();
    const from = this.#at;
    const group = this.#take("@");
    if (group && this.#take("*")) return { kind: "all", text: "@*" };
    if (this.#peek() === "-") this.#fail("a node (to leave nodes out, write !n5)");
    const names = this.#names(group ? "the name of a group" : 'a node, "@group" or "all"');
    const text = this.#text.slice(from, this.#at);
    this.#blanks();
    if (text === "all" || text === "@all") return { kind: "all", text };
    return { kind: group ? "groups" : "names", names, text };
  }

  /** Literal text and brackets in turn; every combination of the brackets' numbers, the last one counting fastest. */
  #names(expected: string): readonly string[] {
    const from = this.#at;
    let names = [""];
    for (;;) {
      const literal = this.#match(/[A-Za-z0-9._-]+/y);
      const numbers = literal === undefined ? this.#bracket(names.length) : undefined;
      if (literal !== undefined) names = names.map((name) => name + literal);
      else if (numbers !== undefined) names = names.flatMap((name) => numbers.map((number) => name + number));
      else break;
    }
    if (this.#at === from) this.#fail(expected);
    this.#count += names.length;
    if (this.#count > maxNames) this.#tooMany(from);
    return names;
  }

  /** `times`: how many names the bracket will multiply, for the bound. */
  #bracket(times: number): readonly string[] | undefined {
    const from = this.#at;
    if (this.#peek() !== "[") return undefined;
    this.#at += 1;
    const numbers: string[] = [];
    do {
      this.#part(numbers, times, from);
    } while (this.#take(","));
    if (!this.#take("]")) this.#fail('"-", "," or "]"');
    return numbers;
  }

  #part(numbers: string[], times: number, bracketAt: number): void {
    this.#blanks();
    const fromAt = this.#at;
    const from = this.#number("a number");
    if (!this.#take("-")) {
      numbers.push(from);
      return;
    }
    this.#blanks();
    const toAt = this.#at;
    const to = this.#number("a number");
    const stepAt = this.#at + 1;
    const step = this.#take("/") ? Number(this.#number("a step")) : 1;
    if (step === 0) this.#fail("a step of at least 1", stepAt);
    if (Number(to) < Number(from)) this.#fail(`a number not below ${from}`, toAt);
    const padded = from.length > 1 && from.startsWith("0");
    if (to.length > 1 && to.startsWith("0") && to.length !== from.length) {
      this.#fail(`as many digits as in ${to}`, fromAt);
    }
    const width = padded ? from.length : 1;
    const count = Math.floor((Number(to) - Number(from)) / step) + 1;
    if ((numbers.length + count) * times > maxNames) this.#tooMany(bracketAt);
    for (let value = Number(from); value <= Number(to); value += step) {
      numbers.push(String(value).padStart(width, "0"));
    }
  }

  #number(expected: string): string {
    this.#blanks();
    const at = this.#at;
    const digits = this.#match(/\d+/y) ?? this.#fail(expected);
    if (digits.length > maxDigits) this.#fail(`a number of at most ${maxDigits} digits`, at);
    this.#blanks();
    return digits;
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #take(token: string): boolean {
    this.#blanks();
    if (this.#peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #blanks(): void {
    this.#match(/\s+/y);
  }

  #tooMany(at: number): never {
    this.#refuse(`more than ${maxNames.toLocaleString("en")} names in one range`, at);
  }

  #fail(expected: string, at = this.#at): never {
    const found = at < this.#text.length ? `"${this.#text[at]}"` : "the end";
    this.#refuse(`expected ${expected}, found ${found} at character ${at + 1}`, at);
  }

  #refuse(message: string, at: number): never {
    throw new AppError("invalid", `malformed node range: ${message}`, {
      faults: [{ place: "range", message: pointAt(this.#text, at) }],
      hint: "provision help ranges",
    });
  }
}

/** The text, and below it a caret under the place; of a long text only the part around it. */
function pointAt(text: string, at: number): string {
  const start = Math.max(0, at - 40);
  const shown = text.slice(start, at + 30);
  const before = start > 0 ? "…" : "";
  return `${before}${shown}\n${" ".repeat(before.length + at - start)}^`;
}
