/**
 * Waits for something that another process does.
 * It exists so that no test sleeps for as long as it hopes will do.
 * Asks every few milliseconds, and gives up after half a minute.
 */
const INTERVAL_MS = 5;
const PATIENCE_MS = 30_000;

export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`Waited in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
