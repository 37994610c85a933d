/**
 * Workers that nobody needs at the moment: the next call takes one instead of starting an engine, which takes longer
 * than most calls on small models do. They hold no file, never keep a process, and end soon if no call comes.
 */
import type { EngineInfo } from '../api/types.js';
import type { Session } from './session.js';

/** How long a worker waits for the next call. */
const REST_MS = 1000;

/** As many as a run has workers at most, if nobody asks for more. */
const MOST = 8;

/** Memory of WebAssembly never shrinks: an engine that took more for a large model gives it back by ending. */
const MOST_BYTES = 128 << 20;

export class RestingSessions<Source, Sink, Output> {
  readonly #timers = new Map<Session<Source, Sink, Output>, Timer>();

  /** One that has such an engine, if there is any; it is its caller's from now on. */
  take({ kind, threads }: EngineInfo): Session<Source, Sink, Output> | undefined {
    for (const session of this.#timers.keys()) {
      const { chosen, isOver } = session;
      if (isOver) this.#remove(session);
      else if (chosen.kind === kind && chosen.threads === threads) return this.#remove(session);
    }
    return undefined;
  }

  /** Lets one rest whose caller is done with it, or ends it. Then it touches no file any more. */
  async add(session: Session<Source, Sink, Output>): Promise<void> {
    const bytes = await session.request('rest', 0, null).catch(() => Number.POSITIVE_INFINITY);
    if (bytes > MOST_BYTES || this.#timers.size >= MOST || session.isOver) return session.close();
    const timer = setTimeout(() => void this.#remove(session).close(), REST_MS);
    timer.unref?.();
    this.#timers.set(session, timer);
  }

  #remove(session: Session<Source, Sink, Output>): Session<Source, Sink, Output> {
    clearTimeout(this.#timers.get(session));
    this.#timers.delete(session);
    return session;
  }
}
