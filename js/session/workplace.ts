/**
 * Where the calls of a model are done: one worker with one engine, one call at a time, files open as long as they are
 * needed. A call starts a worker if there is none: the first call, and one after an abort or a fault has ended it.
 */
import type { BesideWeights } from '../api/beside-weights.js';
import { MonoquantError } from '../api/errors.js';
import { toJson } from '../api/json.js';
import type { RunOptions } from '../api/options.js';
import type { SideFolder } from '../api/side-folder.js';
import type { OneOrShards } from '../engine/shards.js';
import type { OpenOptions } from '../engine/wasm.js';
import { throwIfAborted, unlessAborted } from './abort.js';
import { ENGINE_TURNS } from './engine-turns.js';
import type { RemoteFile, Session } from './session.js';
import { StageProgress } from './stage-progress.js';

/** A model as a host has opened it. */
export interface OpenedModel<Source> {
  readonly source: OneOrShards<Source>;
  /** Whether it may have to be unpacked before it is read. */
  readonly isPacked?: boolean;
  readonly beside: BesideWeights;
  /** What a GGUF file needs of the folder; undefined where the model is no folder. */
  readFolder(): Promise<SideFolder | undefined>;
  /** Throws if a file was changed since it was opened. */
  checkUnchanged(): void | Promise<void>;
  close(): void;
}

export type SessionFor<Source, Sink, Output> = Session<OneOrShards<Source>, Sink, Output>;
export type FileFor<Source, Sink, Output> = RemoteFile<OneOrShards<Source>, Sink, Output>;

/** After these an engine is not to be trusted. */
const BREAKING: readonly unknown[] = ['internal', 'engine-unavailable', 'out-of-memory'];

export class Workplace<Source, Sink, Output> {
  readonly #start: (signal: AbortSignal | undefined) => SessionFor<Source, Sink, Output>;
  readonly #hasTurn: boolean;
  /** Of each model, by what it was opened as. */
  readonly #files = new Map<OpenedModel<Source>, Map<string, FileFor<Source, Sink, Output>>>();
  #session: SessionFor<Source, Sink, Output> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Aborted when it is closed. */
  readonly #closing = new AbortController();

  /** `hasTurn`: whoever uses this place has taken a turn for its engine. */
  constructor(
    start: (signal: AbortSignal | undefined) => SessionFor<Source, Sink, Output>,
    hasTurn: boolean,
  ) {
    this.#start = start;
    this.#hasTurn = hasTurn;
  }

  /**
   * Does the work when all before it is done and an engine may work. An abort while it waits ends it at once: it never
   * begins.
   */
  async inTurn<Answer>({ signal }: RunOptions, work: () => Promise<Answer>): Promise<Answer> {
    throwIfAborted(signal);
    const before = this.#last;
    let leave = () => {};
    this.#last = new Promise<void>((resolve) => {
      leave = () => void before.then(() => resolve());
    });
    try {
      await unlessAborted(before, signal);
      this.#checkOpen();
      const giveBack = this.#hasTurn
        ? undefined
        : await ENGINE_TURNS.take(signal, this.#closing.signal);
      try {
        return await this.#attempt(work);
      } finally {
        giveBack?.();
      }
    } finally {
      leave();
    }
  }

  /** For the call whose turn it is. */
  session(signal: AbortSignal | undefined): SessionFor<Source, Sink, Output> {
    this.#checkOpen();
    if (this.#session?.isOver) this.#files.clear();
    if (this.#session === undefined || this.#session.isOver) this.#session = this.#start(signal);
    return this.#session;
  }

  /** The model as it is to be seen: open until `release`, or as long as the worker lives. */
  async open(
    model: OpenedModel<Source>,
    options: OpenOptions,
    { signal, onProgress }: RunOptions,
  ): Promise<FileFor<Source, Sink, Output>> {
    const session = this.session(signal);
    const views = this.#files.get(model) ?? new Map<string, FileFor<Source, Sink, Output>>();
    const key = toJson(options);
    // Said only of files that have to be unpacked.
    const progress = onProgress && new StageProgress('unpack', 1, onProgress);
    const controls = { signal, onProgress: progress?.of(0) };
    const file = views.get(key) ?? (await session.open(model.source, options, controls));
    this.#files.set(model, views.set(key, file));
    return file;
  }

  /** Closes a model, in the worker and for the host. */
  async release(model: OpenedModel<Source>): Promise<void> {
    try {
      await this.settle();
      for (const file of this.#files.get(model)?.values() ?? []) await file.close();
      this.#files.delete(model);
    } finally {
      model.close();
    }
  }

  /** After a call, however it ended: done when no worker touches a file of it any more. */
  async settle(): Promise<void> {
    if (this.#session?.isIdle === false) await this.#end();
  }

  /** What is under way fails with 'aborted', like all that comes later. Done when it is over. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#leave();
    await this.#last;
  }

  async #attempt<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      // What failed may leave a worker that is ending, still busy, or not to be trusted.
      const isBroken = error instanceof MonoquantError && BREAKING.includes(error.code);
      await (isBroken ? this.#end() : this.settle());
      throw error;
    }
  }

  async #leave(): Promise<void> {
    await this.#forget()?.release();
  }

  async #end(): Promise<void> {
    await this.#forget()?.close();
  }

  #forget(): SessionFor<Source, Sink, Output> | undefined {
    const session = this.#session;
    this.#session = undefined;
    this.#files.clear();
    return session;
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new MonoquantError('aborted', 'The model was closed.');
  }
}
