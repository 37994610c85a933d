/**
 * Lets whoever else waits go on, between parts of a work that at once would keep a page from answering.
 */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
