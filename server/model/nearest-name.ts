/**
 * The name most like a misspelt one: the same but for zero padding, else within a third of its length in edits.
 * Undefined when nothing is near.
 */
export function nearestName(wanted: string, names: readonly string[]): string | undefined {
  const plain = withoutPadding(wanted);
  const padded = names.find((name) => withoutPadding(name) === plain);
  if (padded !== undefined) return padded;
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) >= least) continue;
    const edits = editDistance(wanted, name);
    if (edits < least) [least, nearest] = [edits, name];
  }
  return nearest;
}

function withoutPadding(name: string): string {
  return name.toLowerCase().replaceAll(/(?<!\d)0+(?=\d)/g, "");
}

/** Levenshtein's: insertions, deletions and replacements, one row of the table at a time. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
