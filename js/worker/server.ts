/**
 * The worker's side of a session: answers requests one after the other.
 * It exists so that a host only says how files are opened and where the engine is.
 * Every request is answered exactly once, with a value or a failure.
 */
import { MonoquantError } from '../api/errors.js';
import type { EngineInfo } from '../api/types.js';
import type { BlockShape, Engine } from '../engine/engine.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import { type Findings, Quantizer } from '../engine/quantizer.js';
import { isShards, joinShards, type OneOrShards } from '../engine/shards.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';
import { toFailure } from './failure.js';
import type { Calls, LoadedEngine, Reply, Request } from './protocol.js';

/** What a host's worker can do. */
export interface WorkerHost<Source, Sink, Output> {
  readonly blocks: BlockShape;
  /** What is loaded may be less than what was chosen; the engine's info says so. */
  loadEngine(chosen: EngineInfo): Promise<Engine>;
  openSource(source: Source): Promise<ByteSource>;
  /** Workers that share a run open the same sink, and each writes its own parts of it. */
  openSink(sink: Sink, size: number): Promise<ByteSink<Output>>;
}

/** Returns what is to be called with every message from the session. */
export function serve<Source, Sink, Output>(
  host: WorkerHost<Source, Sink, Output>,
  post: (reply: Reply) => void,
): (request: Request<OneOrShards<Source>, Sink>) => void {
  const worker = new SessionWorker(host);
  let last = Promise.resolve();
  return (request) => {
    last = last.then(async () => {
      const { id, wantsProgress } = request;
      const onProgress: OnStageProgress | undefined = wantsProgress
        ? (bytes, totalBytes, tensor) => post({ kind: 'progress', id, bytes, totalBytes, tensor })
        : undefined;
      try {
        post({ kind: 'answer', id, answer: await worker.answer(request, onProgress) });
      } catch (error) {
        post({ kind: 'failure', id, failure: toFailure(error) });
      }
    });
  };
}

class SessionWorker<Source, Sink, Output> {
  readonly #host: WorkerHost<Source, Sink, Output>;
  #engine: Promise<Engine> | undefined;
  #quantizer: Quantizer<Output> | undefined;

  constructor(host: WorkerHost<Source, Sink, Output>) {
    this.#host = host;
  }

  async answer(
    request: Request<OneOrShards<Source>, Sink>,
    onProgress?: OnStageProgress,
  ): Promise<unknown> {
    switch (request.kind) {
      case 'load':
        return this.#load(request.parameters.engine);
      case 'open':
        return this.#open(request.parameters);
      case 'calibrate':
        return this.#calibrate(request.parameters, onProgress);
      case 'plan':
        return this.#opened().plan(request.parameters);
      case 'encode':
        return this.#encode(request.parameters, onProgress);
      case 'seal':
        return this.#opened().seal(request.parameters.results);
      case 'verify':
        return this.#opened().verify(onProgress);
      case 'tensor':
        return this.#opened().tensor(request.parameters.index);
      case 'compare':
        return this.#compare(request.parameters, onProgress);
      case 'distribution':
        return this.#distribution(request.parameters, onProgress);
      case 'trial':
        return this.#trial(request.parameters, onProgress);
      case 'finish':
        return this.#opened().finish();
    }
  }

  async #load(chosen: EngineInfo): Promise<LoadedEngine> {
    this.#engine = this.#host.loadEngine(chosen);
    const { info, version } = await this.#engine;
    return { info, version };
  }

  async #open({
    source,
    options,
  }: Calls<OneOrShards<Source>, Sink, Output>['open']['parameters']): Promise<string> {
    await this.#quantizer?.close();
    this.#quantizer = undefined;
    const bytes = await this.#openSource(source);
    const engine = await this.#loaded();
    this.#quantizer = await Quantizer.open<Output>(engine, this.#host.blocks, bytes, options);
    return this.#quantizer.catalog();
  }

  async #calibrate(
    { source, soFar }: Calls<OneOrShards<Source>, Sink, Output>['calibrate']['parameters'],
    onProgress?: OnStageProgress,
  ): Promise<string> {
    const data = await this.#openSource(source);
    return this.#opened().calibrate(data, soFar, onProgress);
  }

  async #encode(
    {
      share,
      sink,
      size,
      ...choice
    }: Calls<OneOrShards<Source>, Sink, Output>['encode']['parameters'],
    onProgress?: OnStageProgress,
  ): Promise<string> {
    const openSink = () => this.#host.openSink(sink, size);
    return this.#opened().encode(choice, share, openSink, onProgress);
  }

  async #compare(
    { reference, options }: Calls<OneOrShards<Source>, Sink, Output>['compare']['parameters'],
    onProgress?: OnStageProgress,
  ): Promise<Findings> {
    const other = reference === undefined ? undefined : await this.#openSource(reference);
    return this.#opened().compare(other, options, onProgress);
  }

  async #distribution(
    {
      reference,
      options,
      tensor,
    }: Calls<OneOrShards<Source>, Sink, Output>['distribution']['parameters'],
    onProgress?: OnStageProgress,
  ): Promise<string> {
    const other = await this.#openSource(reference);
    return this.#opened().distribution(other, options, tensor, onProgress);
  }

  async #trial(
    { reference, data, options }: Calls<OneOrShards<Source>, Sink, Output>['trial']['parameters'],
    onProgress?: OnStageProgress,
  ): Promise<string> {
    const open = async (source: OneOrShards<Source> | undefined) =>
      source === undefined ? undefined : this.#openSource(source);
    const sources = { reference: await open(reference), data: await open(data) };
    return this.#opened().trial(sources, options, onProgress);
  }

  /** Several files of one model are one source to all the rest. */
  async #openSource(source: OneOrShards<Source>): Promise<ByteSource> {
    if (!isShards(source)) return this.#host.openSource(source);
    const files = source.shards.map(async (shard) => ({
      name: shard.name,
      source: await this.#host.openSource(shard.source),
    }));
    return joinShards(await this.#loaded(), await Promise.all(files), source.weightMap);
  }

  #loaded(): Promise<Engine> {
    if (this.#engine === undefined) throw new MonoquantError('internal', 'No engine was loaded.');
    return this.#engine;
  }

  #opened(): Quantizer<Output> {
    if (this.#quantizer === undefined) throw new MonoquantError('internal', 'No file is open.');
    return this.#quantizer;
  }
}
