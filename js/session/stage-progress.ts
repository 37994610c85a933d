/**
 * The progress of one stage, put together from the workers that share it.
 * Reports the beginning, the end, and at most ten times a second between.
 */
import type { RunOptions } from '../api/options.js';
import type { Progress } from '../api/types.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import type { RequestControls } from './session.js';

const INTERVAL_MS = 100;

interface Part {
  readonly bytes: number;
  readonly totalBytes: number;
}

/** A stage that one worker does alone. */
export async function withStage<Answer>(
  stage: Progress['stage'],
  { signal, onProgress }: RunOptions,
  work: (controls: RequestControls) => Promise<Answer>,
): Promise<Answer> {
  const progress = onProgress && new StageProgress(stage, 1, onProgress);
  const answer = await work({ signal, onProgress: progress?.of(0) });
  progress?.end();
  return answer;
}

export class StageProgress {
  readonly #stage: Progress['stage'];
  readonly #parts: (Part | undefined)[];
  readonly #onProgress: (progress: Progress) => void;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #tensor = '';

  constructor(stage: Progress['stage'], workers: number, onProgress: (progress: Progress) => void) {
    this.#stage = stage;
    this.#parts = new Array<Part | undefined>(workers).fill(undefined);
    this.#onProgress = onProgress;
  }

  /** What the worker of this number calls with its own share. */
  of(worker: number): OnStageProgress {
    return (bytes, totalBytes, tensor) => {
      this.#parts[worker] = { bytes, totalBytes };
      this.#tensor = tensor;
      if (performance.now() - this.#reportedAt >= INTERVAL_MS) this.#report();
    };
  }

  /** Every worker is done. */
  end(): void {
    this.#report();
  }

  #report(): void {
    let bytes = 0;
    let totalBytes = 0;
    for (const part of this.#parts) {
      // Without every worker's share there is no total.
      if (part === undefined) return;
      bytes += part.bytes;
      totalBytes += part.totalBytes;
    }
    this.#reportedAt = performance.now();
    const fraction = totalBytes === 0 ? 0 : bytes / totalBytes;
    this.#onProgress({ stage: this.#stage, bytes, totalBytes, fraction, tensor: this.#tensor });
  }
}
