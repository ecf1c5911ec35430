import type { Tables } from "./tables.ts";

type Column<Table extends keyof Tables> = keyof Tables[Table] & string;

/** A value of a row, as both dialects take it; JSON goes in as text. */
export type SqlValue = string | number | null;

/**
 * One statement and the rows it is run for, one after the other. Its text is the same for every write of its kind, so
 * that a database can keep it prepared. `?` stands for a value, in the order of the row.
 */
export type Write = { sql: string; rows: readonly (readonly SqlValue[])[] };

/** Rows hold the values of `columns`, in that order. */
export function insertInto<Table extends keyof Tables>(
  table: Table,
  columns: readonly Column<Table>[],
): string {
  return `insert into ${table} (${columns.join(", ")}) values (${columns.map(() => "?").join(", ")})`;
}

/** As `insertInto`; a row whose `key` is there already has its other columns replaced. */
export function upsertInto<Table extends keyof Tables>(
  table: Table,
  key: Column<Table>,
  columns: readonly Column<Table>[],
): string {
  return `${insertInto(table, [key, ...columns])} ${onConflict(key, columns)}`;
}

/** The end of an insert that replaces `columns` of a row whose `key` is there already. */
export function onConflict(key: string, columns: readonly string[]): string {
  const replaced = columns.map((column) => `${column} = excluded.${column}`);
  return `on conflict (${key}) do update set ${replaced.join(", ")}`;
}
