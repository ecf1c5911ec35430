/** What templates may call besides Handlebars' own blocks. Pure; each takes one value. */
export const helpers: Readonly<Record<string, (value: unknown) => string>> = {
  /** The text as one word of a POSIX shell, whatever is in it. */
  shell: (value) => `'${String(value).replaceAll("'", String.raw`'\''`)}'`,
  /** The value as JSON. */
  json: (value) => JSON.stringify(value),
};
