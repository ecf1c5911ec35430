const collator = new Intl.Collator("en", { numeric: true });

/** Orders names as people count: n2 before n10. */
export function naturalOrder(left: string, right: string): number {
  return collator.compare(left, right);
}
