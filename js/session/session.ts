/**
 * The caller's side of a worker: asked through promises, as long as it lives.
 * Every request settles; after an abort, a death or close() the worker is gone and never comes back.
 */
import type { Calibration } from '../api/calibration.js';
import { MonoquantError } from '../api/errors.js';
import type { Json } from '../api/json.js';
import type { EngineInfo } from '../api/types.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import type { OpenOptions } from '../engine/wasm.js';
import { fromFailure } from '../worker/failure.js';
import type { Calls, LoadedEngine, Reply, Request } from '../worker/protocol.js';
import { aborted, throwIfAborted } from './abort.js';

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
  /** Words end a sentence. */
  onDeath: (reason: string | MonoquantError) => void,
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

type Kinds = keyof Calls<unknown, unknown, unknown>;

export class Session<Source, Sink, Output> {
  /** The engine that was asked for. */
  readonly chosen: EngineInfo;
  /** The engine that it got. */
  readonly engine: Promise<LoadedEngine>;
  readonly #rest: (session: Session<Source, Sink, Output>) => Promise<void>;
  readonly #worker: SpawnedWorker<Source, Sink>;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #lastFile = 0;
  #end: MonoquantError | undefined;
  #terminated: Promise<void> | undefined;

  /**
   * Loads the engine at once, so that it is there when files have been opened. `rest` is where it goes once it is
   * released.
   */
  constructor(
    spawn: Spawn<Source, Sink>,
    chosen: EngineInfo,
    rest: (session: Session<Source, Sink, Output>) => Promise<void>,
    signal: AbortSignal | undefined,
  ) {
    this.chosen = chosen;
    this.#rest = rest;
    this.#worker = spawn(
      (reply) => this.#receive(reply),
      (reason) => {
        const isWords = typeof reason === 'string';
        void this.#stop(
          isWords
            ? new MonoquantError('internal', `The engine's worker ended: ${reason}.`)
            : reason,
        );
      },
    );
    this.engine = this.request('load', 0, chosen, { signal });
    // A failure is told again to whoever asks for something.
    this.engine.catch(() => {});
  }

  /** Whether its worker is gone. */
  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Whether its worker has nothing to do and can be asked for more. */
  get isIdle(): boolean {
    return !this.isOver && this.#pending.size === 0;
  }

  /** Opens a file in the worker. It is open until it is closed, or the session is. */
  async open(
    source: Source,
    options: OpenOptions,
    controls: RequestControls,
  ): Promise<RemoteFile<Source, Sink, Output>> {
    const file = ++this.#lastFile;
    const shared = await this.request('open', file, { source, options }, controls);
    return new RemoteFile(this, file, shared);
  }

  /** What a run over the file has written and sealed, as a file of its own. */
  async openOutput(
    file: RemoteFile<Source, Sink, Output>,
    controls: RequestControls,
  ): Promise<RemoteFile<Source, Sink, Output>> {
    const number = ++this.#lastFile;
    await this.request('openOutput', file.number, { number }, controls);
    return new RemoteFile(this, number, undefined);
  }

  async request<Kind extends Kinds>(
    kind: Kind,
    file: number,
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
        this.#worker.post({ kind, id, file, wantsProgress, parameters } as Request<Source, Sink>);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(id);
      // A worker that is ending keeps the process: its caller still waits for that.
      const isIdle = this.#pending.size === 0 && this.#terminated === undefined;
      if (isIdle) this.#worker.keepAlive(false);
    }
  }

  /**
   * Its caller needs it no more. Requests under way fail with 'aborted', and end its worker; otherwise the next call
   * may have it. Done when the worker touches no file of this caller any more.
   */
  release(): Promise<void> {
    return this.isIdle ? this.#rest(this) : this.close();
  }

  /** Ends the worker. Requests under way fail with 'aborted'. Done when the worker touches no file any more. */
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
        // The caller's own mistake fails the caller's call, not the whole process. Its work is ended, too.
        pending?.reject(error);
        void this.close();
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

/** A file that is open in the worker of a session. */
export class RemoteFile<Source, Sink, Output> {
  readonly session: Session<Source, Sink, Output>;
  /** How requests about other files name it. */
  readonly number: number;
  /** The Source that other workers open to see the same, while it is open here. */
  readonly source: unknown;
  /** The calibration its plans use, if it came from here; undefined after the worker has added data. */
  calibration: Calibration | Json<Calibration> | null | undefined = null;

  constructor(session: Session<Source, Sink, Output>, number: number, source: unknown) {
    this.session = session;
    this.number = number;
    this.source = source;
  }

  request<Kind extends Exclude<Kinds, 'load' | 'open' | 'rest' | 'compress'>>(
    kind: Kind,
    parameters: Calls<Source, Sink, Output>[Kind]['parameters'],
    controls?: RequestControls,
  ): Promise<Calls<Source, Sink, Output>[Kind]['answer']> {
    return this.session.request(kind, this.number, parameters, controls);
  }

  /** Harmless after its worker has ended. A worker still busy with something that failed is not waited for. */
  async close(): Promise<void> {
    if (this.session.isIdle) await this.request('close', null);
  }
}

/** Does something with a file that is open for no longer. */
export async function withFile<Source, Sink, Output, Result>(
  session: Session<Source, Sink, Output>,
  source: Source,
  options: OpenOptions,
  signal: AbortSignal | undefined,
  work: (file: RemoteFile<Source, Sink, Output>) => Promise<Result>,
): Promise<Result> {
  const file = await session.open(source, options, { signal });
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
