/**
 * The one loop that drives a stage of the engine: reads ahead, processes in order, writes behind.
 * Nothing it started is still under way when it returns or throws: the engine's memory is free again.
 */
import { MonoquantError } from '../api/errors.js';
import type { Json } from '../api/json.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';
import { throwIfError } from './engine.js';
import type { WasmStage } from './wasm.js';

const PROGRESS_INTERVAL_MS = 100;

export interface StageIo {
  /** In the order in which the stage counts them: usually one. */
  readonly sources: readonly ByteSource[];
  /** Absent where a stage writes nothing. */
  readonly sink?: ByteSink<unknown>;
  /** As many as the stage was made with. */
  readonly slots: number;
  /** Called at the start, at the end, and at most ten times a second between. */
  readonly onProgress?: OnStageProgress | undefined;
}

export type OnStageProgress = (bytes: number, totalBytes: number, tensor: string) => void;

export async function runStage<Result>(
  stage: WasmStage<Result>,
  io: StageIo,
): Promise<Json<Result>> {
  const run = new StageRun(stage, io);
  try {
    await run.work();
  } finally {
    await run.settle();
  }
  return stage.result();
}

/** Counts instead of collecting promises: a large file has thousands of blocks. */
class StageRun {
  readonly #stage: WasmStage;
  readonly #io: StageIo;
  /** Blocks handed out and blocks processed so far; block n lives in slot n modulo `slots`. */
  #started = 0;
  #processed = 0;
  #isExhausted = false;
  /** Reads and writes under way, in each slot and in all. */
  readonly #busy: number[];
  #underWay = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #reportedAt = 0;

  constructor(stage: WasmStage, io: StageIo) {
    this.#stage = stage;
    this.#io = io;
    this.#busy = new Array<number>(io.slots).fill(0);
  }

  async work(): Promise<void> {
    this.#report();
    for (;;) {
      while (this.#startNext());
      const hasBlock = this.#processed < this.#started;
      if (hasBlock && this.#busy[this.#processed % this.#io.slots] === 0) this.#processNext();
      else if (this.#underWay > 0) await this.#change();
      else break;
      if (this.#failure !== undefined) throw this.#failure.error;
    }
    this.#report();
  }

  /** Waits for what is under way, whatever comes of it. */
  async settle(): Promise<void> {
    while (this.#underWay > 0) await this.#change();
  }

  /** Hands the next free slot to the stage and starts its read; false when that has to wait. */
  #startNext(): boolean {
    const slot = this.#started % this.#io.slots;
    const isFree = this.#started - this.#processed < this.#io.slots && this.#busy[slot] === 0;
    if (this.#isExhausted || !isFree) return false;
    if (!this.#stage.next(slot)) {
      // With steps under way, these may decide what comes next.
      this.#isExhausted = this.#started === this.#processed;
      return false;
    }
    this.#started++;
    if (this.#stage.readLength(slot) > 0) {
      this.#track(slot, this.#read(slot));
    }
    return true;
  }

  #read(slot: number): Promise<void> {
    const source = this.#io.sources[this.#stage.readSource(slot)];
    if (source === undefined) throw new MonoquantError('internal', 'A stage has too few files.');
    return source.read(this.#stage.readOffset(slot), this.#stage.input(slot));
  }

  #processNext(): void {
    const slot = this.#processed % this.#io.slots;
    if (!this.#stage.process(slot)) {
      throwIfError(this.#stage.error());
      throw new MonoquantError('internal', 'The engine stopped without a reason.');
    }
    this.#processed++;
    const { sink } = this.#io;
    const writes = this.#stage.writeCount(slot);
    for (let index = 0; index < writes && sink !== undefined; index++) {
      const bytes = this.#stage.write(slot, index);
      this.#track(slot, sink.write(this.#stage.writeOffset(slot, index), bytes));
    }
    if (performance.now() - this.#reportedAt >= PROGRESS_INTERVAL_MS) this.#report();
  }

  #track(slot: number, io: Promise<void>): void {
    this.#count(slot, 1);
    io.then(
      () => this.#count(slot, -1),
      (error: unknown) => {
        this.#failure ??= { error };
        this.#count(slot, -1);
      },
    );
  }

  #count(slot: number, change: 1 | -1): void {
    this.#busy[slot] = (this.#busy[slot] ?? 0) + change;
    this.#underWay += change;
    if (change < 0) this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #report(): void {
    const { onProgress } = this.#io;
    if (onProgress === undefined) return;
    this.#reportedAt = performance.now();
    onProgress(this.#stage.doneBytes(), this.#stage.totalBytes(), this.#stage.tensor());
  }
}
