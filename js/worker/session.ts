/**
 * The caller's side of a session: one worker, asked through promises.
 * It exists so that both hosts share how calls are aborted and what happens when a worker dies.
 * Every request settles; after an abort, a death or close() the worker is gone and never comes back.
 */
import { MonoquantError } from '../api/errors.js';
import type { EngineInfo } from '../api/types.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import { fromFailure } from './failure.js';
import type { Calls, LoadedEngine, Reply, Request } from './protocol.js';

/** A running worker, as a host provides it. */
export interface SpawnedWorker<Source, Sink> {
  post(request: Request<Source, Sink>): void;
  /** Ends the worker whatever it is doing; done when it touches no file any more. */
  terminate(): Promise<void>;
  /** Whether the process has to wait for this worker. */
  keepAlive(isNeeded: boolean): void;
}

export type Spawn<Source, Sink> = (
  onReply: (reply: Reply) => void,
  onDeath: (reason: string) => void,
) => SpawnedWorker<Source, Sink>;

export interface RequestControls {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnStageProgress | undefined;
}

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: OnStageProgress | undefined;
}

export class Session<Source, Sink, Output> {
  /** The engine that it got. */
  readonly engine: Promise<LoadedEngine>;
  readonly #worker: SpawnedWorker<Source, Sink>;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #end: MonoquantError | undefined;
  #terminated: Promise<void> | undefined;

  /** Loads the engine at once, so that it is there when files have been opened. */
  constructor(spawn: Spawn<Source, Sink>, engine: EngineInfo, signal: AbortSignal | undefined) {
    this.#worker = spawn(
      (reply) => this.#receive(reply),
      (reason) => {
        void this.#stop(new MonoquantError('internal', `The engine's worker ended: ${reason}.`));
      },
    );
    this.engine = this.request('load', { engine }, { signal });
    // A failure is told again to whoever asks for something.
    this.engine.catch(() => {});
  }

  async request<Kind extends keyof Calls<Source, Sink, Output>>(
    kind: Kind,
    parameters: Calls<Source, Sink, Output>[Kind]['parameters'],
    { signal, onProgress }: RequestControls = {},
  ): Promise<Calls<Source, Sink, Output>[Kind]['answer']> {
    if (this.#end !== undefined) throw this.#end;
    throwIfAborted(signal);
    const id = ++this.#lastId;
    const onAbort = () => void this.#stop(aborted(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#worker.keepAlive(true);
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject, onProgress });
        const wantsProgress = onProgress !== undefined;
        this.#worker.post({ kind, id, wantsProgress, parameters } as Request<Source, Sink>);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(id);
      // A worker that is ending keeps the process: its caller still waits for that.
      const isIdle = this.#pending.size === 0 && this.#terminated === undefined;
      if (isIdle) this.#worker.keepAlive(false);
    }
  }

  /** Requests under way fail with 'aborted'. Done when the worker touches no file any more. */
  close(): Promise<void> {
    return this.#stop(new MonoquantError('aborted', 'The session was closed.'));
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (reply.kind === 'answer') pending?.resolve(reply.answer);
    else if (reply.kind === 'failure') pending?.reject(fromFailure(reply.failure));
    else {
      try {
        pending?.onProgress?.(reply.bytes, reply.totalBytes, reply.tensor);
      } catch (error) {
        // The caller's own mistake fails the caller's call, not the whole process.
        pending?.reject(error);
      }
    }
  }

  #stop(reason: MonoquantError): Promise<void> {
    this.#end ??= reason;
    this.#terminated ??= this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(this.#end);
    return this.#terminated;
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

function aborted(signal: AbortSignal | undefined): MonoquantError {
  return new MonoquantError('aborted', 'The call was aborted.', { cause: signal?.reason });
}
