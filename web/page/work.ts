/**
 * A long call that is shown while it runs: how far it is, how fast, and that it can be ended.
 * It exists because quantizing, calibrating, saving and validating all need the same.
 * One at a time; what went wrong is kept until the next run.
 */
import { signal } from '@preact/signals';
import type { Progress } from 'monoquant';
import { Pace } from '../../js/words/pace.js';
import { type Fault, faultOf, isAborted } from './fault.js';

export interface Headway extends Progress {
  readonly bytesPerSecond: number | undefined;
  readonly millisecondsLeft: number | undefined;
}

export interface RunControls {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export class Work {
  readonly isRunning = signal(false);
  readonly headway = signal<Headway | undefined>(undefined);
  readonly fault = signal<Fault | undefined>(undefined);
  /** Whether the last run was ended by the user. */
  readonly wasCancelled = signal(false);
  #abort: AbortController | undefined;

  /** Rejects with what the call rejects with. */
  async run<Answer>(call: (controls: RunControls) => Promise<Answer>): Promise<Answer> {
    const abort = new AbortController();
    this.#abort?.abort();
    this.#abort = abort;
    this.#begin();
    const pace = new Pace();
    const onProgress = (progress: Progress) => {
      if (abort.signal.aborted) return;
      pace.add(progress, performance.now());
      const { bytesPerSecond, millisecondsLeft } = pace;
      this.headway.value = { ...progress, bytesPerSecond, millisecondsLeft };
    };
    try {
      return await call({ signal: abort.signal, onProgress });
    } catch (error) {
      if (abort === this.#abort && !isAborted(error)) this.fault.value = faultOf(error);
      throw error;
    } finally {
      if (abort === this.#abort) this.isRunning.value = false;
    }
  }

  cancel(): void {
    if (!this.isRunning.peek()) return;
    this.wasCancelled.value = true;
    this.isRunning.value = false;
    this.#abort?.abort();
  }

  /** Ends it without a word, and says no more of what went wrong before: the next run is about something else. */
  forget(): void {
    this.#abort?.abort();
    this.#abort = undefined;
    this.isRunning.value = false;
    this.fault.value = undefined;
    this.wasCancelled.value = false;
  }

  #begin(): void {
    this.isRunning.value = true;
    this.headway.value = undefined;
    this.fault.value = undefined;
    this.wasCancelled.value = false;
  }
}
