/**
 * Failures that may pass, and how long to wait for that.
 * A server that is busy, or a connection that broke, says nothing about the file: asking again may help.
 */
import { MonoquantError } from '../api/errors.js';
import { aborted } from './aborted.js';
import type { Surroundings } from './surroundings.js';

export class Hitch extends Error {
  /** What to say if it does not pass. */
  readonly failure: MonoquantError;
  /** What the server asks for. */
  readonly waitMs: number | undefined;

  constructor(failure: MonoquantError, waitMs?: number) {
    super(failure.message);
    this.failure = failure;
    this.waitMs = waitMs;
  }
}

/** How often something is tried: a server that is not there is told soon, a run of hours is not given up so soon. */
export const TRIES = { opening: 3, reading: 8 } as const;

const FIRST_MS = 500;
const LONGEST_MS = 20_000;
/** A server that asks for more time than this is asked again by a person. */
const MOST_WAIT_MS = 10 * 60_000;

/** Waits twice as long after each failure in a row. */
export class Patience {
  readonly #surroundings: Surroundings;
  readonly #tries: number;
  #failures = 0;

  constructor(surroundings: Surroundings, tries: number) {
    this.#surroundings = surroundings;
    this.#tries = tries;
  }

  /** Something went well: what comes next is the first failure again. */
  renew(): void {
    this.#failures = 0;
  }

  /** Waits, or throws if it is of no use. */
  async after(thrown: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (!(thrown instanceof Hitch)) throw thrown;
    this.#failures++;
    if (this.#failures >= this.#tries) throw thrown.failure;
    const { waitMs = 0 } = thrown;
    if (waitMs > MOST_WAIT_MS) {
      const { code, message, suggestion } = thrown.failure;
      const minutes = Math.ceil(waitMs / 60_000);
      const told = `${message.slice(0, -1)}, and to be asked again in ${minutes} minutes only.`;
      throw new MonoquantError(code, told, { suggestion });
    }
    const { random, sleep } = this.#surroundings;
    const most = Math.min(FIRST_MS * 2 ** (this.#failures - 1), LONGEST_MS);
    // By chance, so that threads that failed together do not come back together.
    await sleep(waitMs + most * (0.5 + random() / 2), signal).catch((error: unknown) => {
      throw signal?.aborted ? aborted(signal) : error;
    });
  }
}

/** Does something that may meet a hitch, until it is done or of no use. */
export async function patiently<Result>(
  surroundings: Surroundings,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  const patience = new Patience(surroundings, TRIES.opening);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await patience.after(error, signal);
    }
  }
}

/** The header `Retry-After`, seconds or a date, in milliseconds from now. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0);
}
