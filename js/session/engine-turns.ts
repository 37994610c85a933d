/**
 * Turns for engines: how many work at once in this process, whoever calls.
 * It exists because a server gets more calls than its machine has processors and memory for.
 * Whoever waits is served in the order of asking. Without a limit nobody waits.
 */
import { checkWholeNumber } from '../api/check.js';
import { throwIfAborted, unlessAborted } from './abort.js';

/** Gives a turn back; harmless if it is called again. */
export type Leave = () => void;

class EngineTurns {
  #most = Number.POSITIVE_INFINITY;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  /** Holds for turns that are taken later; those that are taken stay. */
  limit(most: unknown): void {
    this.#most = checkWholeNumber(most, 'maxEngines', 1) ?? Number.POSITIVE_INFINITY;
    this.#serve();
  }

  /** A turn, as soon as there is one. An abort by any of the signals while it waits ends it at once. */
  async take(...signals: readonly (AbortSignal | undefined)[]): Promise<Leave> {
    for (const signal of signals) throwIfAborted(signal);
    if (this.#free <= 0) {
      let begin = () => {};
      const turn = new Promise<void>((resolve) => {
        begin = resolve;
      });
      this.#waiting.add(begin);
      try {
        await unlessAborted(turn, ...signals);
      } catch (error) {
        // It may have come together with the abort.
        if (!this.#waiting.delete(begin)) this.#giveBack(1);
        throw error;
      }
    } else this.#taken += 1;
    return this.#leaveOf(1);
  }

  /** As many more as nobody else needs, `count` at most. */
  takeFree(count: number): { readonly taken: number; readonly leave: Leave } {
    const taken = Math.max(Math.min(count, this.#free), 0);
    this.#taken += taken;
    return { taken, leave: this.#leaveOf(taken) };
  }

  get #free(): number {
    return this.#most - this.#taken;
  }

  #leaveOf(count: number): Leave {
    let left = count;
    return () => {
      this.#giveBack(left);
      left = 0;
    };
  }

  #giveBack(count: number): void {
    this.#taken -= count;
    this.#serve();
  }

  #serve(): void {
    for (const begin of this.#waiting) {
      if (this.#free <= 0) return;
      this.#taken += 1;
      this.#waiting.delete(begin);
      begin();
    }
  }
}

/** Those of this process, or of this page. */
export const ENGINE_TURNS = new EngineTurns();
