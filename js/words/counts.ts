/**
 * How often things occur, for people: the commonest first.
 * It exists because every summary of many tensors is such a list.
 * Things that occur equally often stay in the order in which they came.
 */

/** How often each key occurs, the commonest first. */
export function countBy<Item>(
  items: readonly Item[],
  key: (item: Item) => string,
  weight = (_: Item) => 1,
): [string, number][] {
  const counts = new Map<string, number>();
  for (const item of items) {
    const own = key(item);
    counts.set(own, (counts.get(own) ?? 0) + weight(item));
  }
  return [...counts].sort(([, a], [, b]) => b - a);
}
