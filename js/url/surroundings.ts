/**
 * What waiting depends on: the clock, chance, and how long a silent server is waited for.
 * It exists so that tests of hours of waiting take no time.
 */
export interface Surroundings {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Rejects if it is ended. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<unknown>;
  /** How long a server may send nothing. */
  readonly silenceMs: number;
}

export const REAL: Surroundings = {
  now: Date.now,
  random: Math.random,
  sleep: pause,
  silenceMs: 60_000,
};

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end);
      resolve();
    }, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
