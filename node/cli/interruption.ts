/**
 * Ctrl-C and its relatives: they end the work in an orderly way.
 * It exists because a run must remove its unfinished output before the process goes.
 * The first signal aborts the work; a second one, or a work that does not end, ends the process.
 */

/** 128 and the number of the signal, as shells report it. */
const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type EndingSignal = keyof typeof SIGNAL_EXITS;

/** How long the work may take to clean up. */
const PATIENCE_MS = 3000;

export interface Interruption {
  readonly signal: AbortSignal;
  /** What the process must end with, once a signal has come. */
  exitCode(): number | undefined;
}

export function watchSignals(): Interruption {
  const controller = new AbortController();
  let exitCode: number | undefined;
  for (const name of Object.keys(SIGNAL_EXITS) as EndingSignal[]) {
    process.on(name, () => {
      const code = SIGNAL_EXITS[name];
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      controller.abort();
      setTimeout(() => process.exit(code), PATIENCE_MS).unref();
    });
  }
  return { signal: controller.signal, exitCode: () => exitCode };
}
