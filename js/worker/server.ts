/**
 * The worker's side of a session: answers requests one after the other, and holds the files that are open.
 * Every request is answered exactly once, with a value or a failure.
 */
import { MonoquantError } from '../api/errors.js';
import { parted } from '../api/json.js';
import type { Catalog, EngineInfo } from '../api/types.js';
import type { Engine } from '../engine/engine.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import { refuseMisplaced } from '../engine/shard-index.js';
import { isShards, type OneOrShards } from '../engine/shards.js';
import type { Zstd } from '../engine/zstd.js';
import type { Piece } from '../io/assembled.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { BlockShape } from '../io/byte-source.js';
import { DroppingSink } from '../io/dropping-sink.js';
import { EngineFile } from './engine-file.js';
import type { Recorder } from './engine-run.js';
import { toFailure } from './failure.js';
import { joinFiles, type OpeningHost, openFiles, withShared } from './model-files.js';
import { Packing } from './packing.js';
import type { Calls, LoadedEngine, Reply, Request } from './protocol.js';
import type { Journal, RecordKeeping } from './record-keeping.js';

/** What a host's worker can do. */
export interface WorkerHost<Source, Sink, Output> extends OpeningHost<Source> {
  /** Unless a source says otherwise. */
  readonly blocks: BlockShape;
  /** What is loaded may be less than what was chosen; the engine's info says so. */
  loadEngine(chosen: EngineInfo): Promise<Engine>;
  /** Workers that share a run open the same sink, and each writes its own parts of it. */
  openSink(sink: Sink, size: number): Promise<ByteSink<Output>>;
  /** Absent if what runs leave behind is of no use. */
  readonly records?: RecordKeeping & { readonly openJournal: (place: string) => Journal };
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

type AnyCalls<Source, Sink, Output> = Calls<OneOrShards<Source>, Sink, Output>;

/** How each request is answered that is about a file. */
type Answers<Source, Sink, Output> = {
  readonly [Kind in Exclude<
    keyof Calls<Source, Sink, Output>,
    'load' | 'open' | 'close' | 'compress' | 'merge' | 'rest'
  >]: (
    file: EngineFile<Output>,
    parameters: AnyCalls<Source, Sink, Output>[Kind]['parameters'],
    onProgress: OnStageProgress | undefined,
  ) =>
    | AnyCalls<Source, Sink, Output>[Kind]['answer']
    | Promise<AnyCalls<Source, Sink, Output>[Kind]['answer']>;
};

class SessionWorker<Source, Sink, Output> {
  readonly #host: WorkerHost<Source, Sink, Output>;
  readonly #files = new Map<number, EngineFile<Output>>();
  readonly #answers: Answers<Source, Sink, Output> = {
    catalog: (file) => file.catalog(),
    partedCatalog: (file) => parted<'tensors', Catalog>(file.catalog(), 'tensors'),
    problems: (file) => file.problems(),
    families: (file) => file.inspector.families(),
    priors: (file, { names, table }) => file.priors(names, table),
    curve: (file, table) => file.curve(table),
    allocate: (file, { table, budgetBytes }) => file.allocate(table, budgetBytes),
    beginSearch: (file, { table, settings }) => file.beginSearch(table, settings),
    stepSearch: (file) => file.stepSearch(),
    endSearch: (file) => file.endSearch(),
    tensor: (file, index) => file.tensor(index),
    setCalibration: (file, calibration) => file.setCalibration(calibration),
    setFolder: (file, folder) => file.setFolder(folder),
    calibrate: (file, { data, name }, onProgress) =>
      file.calibrate(this.#opened(data), name, onProgress),
    calibration: (file) => file.calibration(),
    writeStatistics: (file, { data, secondMoments, sink }, onProgress) =>
      file.writeStatistics(
        data.map((number) => this.#opened(number)),
        secondMoments,
        (size) => this.#host.openSink(sink, size),
        onProgress,
      ),
    rescale: (file, choice, onProgress) => file.rescale(choice, onProgress),
    plan: (file, choice) => file.plan(choice),
    planDocument: (file, choice) => file.planDocument(choice),
    planFacts: (file) => file.planFacts(),
    recheck: async (file, { sink, size, done }, onProgress) =>
      file.run.recheck(this.#records, await this.#host.openSink(sink, size), done, onProgress),
    encode: async (file, { share, sink, size, done, inputs, journal }, onProgress) =>
      file.run.encode(
        share,
        await this.#openSink(sink, size),
        {
          done,
          inputs: inputs.map((number) => this.#opened(number)),
          journal: journal === undefined ? undefined : this.#recorder(journal),
        },
        onProgress,
      ),
    seal: (file, checksums) => file.run.seal(checksums),
    openOutput: async (file, { number }) => {
      this.#files.set(number, await file.openOutput());
    },
    verify: (file, _, onProgress) => file.run.verify(onProgress),
    pack: async (file, { frame, level }) => file.run.pack(await this.#loadedZstd(), frame, level),
    placePacked: (file, { sink, offset }) =>
      file.run.placePacked(() => this.#host.openSink(sink, 0), offset),
    endPacked: (file, { sink, frames }) =>
      file.run.endPacked((size) => this.#host.openSink(sink, size), frames),
    endPart: (file, { sink, content }) =>
      file.run.endPart(this.#records, (size) => this.#host.openSink(sink, size), content),
    finish: (file) => file.run.finish(),
    drop: (file) => file.drop(),
    compare: (file, { reference }, onProgress) =>
      file.compare(this.#openedIfAny(reference), onProgress),
    distribution: (file, { reference, tensor }, onProgress) =>
      file.distribution(this.#opened(reference), tensor, onProgress),
    outliers: (file, { reference, known }, onProgress) =>
      file.outliers(this.#opened(reference), known, onProgress),
    trial: (file, { reference, data }, onProgress) =>
      file.trial(this.#openedIfAny(reference), this.#openedIfAny(data), onProgress),
  };
  #engine: Promise<Engine> | undefined;
  #zstd: Promise<Zstd> | undefined;

  constructor(host: WorkerHost<Source, Sink, Output>) {
    this.#host = host;
  }

  answer(
    request: Request<OneOrShards<Source>, Sink>,
    onProgress: OnStageProgress | undefined,
  ): unknown {
    const { kind, file, parameters } = request;
    switch (kind) {
      case 'load':
        return this.#load(parameters);
      case 'open':
        return this.#open(file, parameters, onProgress);
      case 'close':
        return this.#close(file);
      case 'merge':
        return this.#merge(parameters, onProgress);
      case 'rest':
        return this.#rest();
      case 'compress':
        return this.#compress(parameters);
      default: {
        // The types of a kind's parameters and of its answer belong together; TypeScript cannot follow that.
        const answer = this.#answers[kind] as (...given: unknown[]) => unknown;
        return answer(this.#opened(file), parameters, onProgress);
      }
    }
  }

  /** What only is to be measured goes nowhere. */
  #openSink(sink: Sink | null, size: number): Promise<ByteSink<Output>> | ByteSink<Output> {
    return sink === null ? new DroppingSink(size) : this.#host.openSink(sink, size);
  }

  async #load(chosen: EngineInfo): Promise<LoadedEngine> {
    this.#engine = this.#host.loadEngine(chosen);
    const { info, version } = await this.#engine;
    return { info, version };
  }

  async #open(
    file: number,
    { source, options }: AnyCalls<Source, Sink, Output>['open']['parameters'],
    onProgress: OnStageProgress | undefined,
  ): Promise<OneOrShards<Source>> {
    const engine = await this.#loaded();
    const host: OpeningHost<Source> = {
      openSource: (named) => this.#host.openSource(named),
      loadZstd: () => this.#loadedZstd(),
      openScratch: (bytes) => this.#host.openScratch(bytes),
    };
    const files = await openFiles(host, source, onProgress);
    try {
      const joined = await joinFiles(engine, source, files);
      // Whoever refuses no more than this lists what is wrong.
      const isJudged = options.refuses === 'unknown';
      if (!isJudged && isShards(source)) refuseMisplaced(joined.problems, source.weightMap);
      const opened = await EngineFile.open<Output>(engine, this.#host.blocks, joined, options);
      this.#files.set(file, opened);
    } catch (error) {
      for (const opened of files) await opened.source.close?.();
      throw error;
    }
    return withShared(source, files);
  }

  async #close(file: number): Promise<void> {
    const opened = this.#opened(file);
    this.#files.delete(file);
    await opened.close();
  }

  async #merge(
    { parts, sink, size, files }: AnyCalls<Source, Sink, Output>['merge']['parameters'],
    onProgress: OnStageProgress | undefined,
  ): Promise<Output> {
    const engine = await this.#loaded();
    const output = await this.#host.openSink(sink, size);
    try {
      const pieces: Piece[] = [];
      for (const { source, segments } of parts) {
        if (isShards(source)) throw new MonoquantError('internal', 'A part is one file.');
        pieces.push({ source: await this.#host.openSource(source), segments });
      }
      const records = parts.map((part) => part.records);
      const merging = { pieces, records, files };
      await this.#records.mergeParts(engine, this.#host.blocks, merging, output, onProgress);
      return await output.finish();
    } catch (error) {
      await output.abort();
      throw error;
    }
  }

  get #records() {
    const { records } = this.#host;
    if (records === undefined) throw new MonoquantError('internal', 'No records are kept here.');
    return records;
  }

  #recorder(place: string): Recorder {
    const { openJournal, runRecorded } = this.#records;
    return (stage, io) => runRecorded(openJournal(place), stage, io);
  }

  async #rest(): Promise<number> {
    for (const file of this.#files.keys()) await this.#close(file);
    this.#zstd = undefined;
    return (await this.#loaded()).memoryBytes;
  }

  async #compress({
    source,
    frames,
    level,
  }: AnyCalls<Source, Sink, Output>['compress']['parameters']): Promise<Uint8Array<ArrayBuffer>> {
    if (isShards(source)) throw new MonoquantError('internal', 'One file is compressed at a time.');
    const zstd = await this.#loadedZstd();
    const opened = await this.#host.openSource(source);
    try {
      return await new Packing(zstd, opened, level).following(frames);
    } finally {
      await opened.close?.();
    }
  }

  /** Not before it is needed: most models are not compressed. */
  #loadedZstd(): Promise<Zstd> {
    this.#zstd ??= this.#host.loadZstd();
    return this.#zstd;
  }

  #loaded(): Promise<Engine> {
    if (this.#engine === undefined) throw new MonoquantError('internal', 'No engine was loaded.');
    return this.#engine;
  }

  #opened(file: number): EngineFile<Output> {
    const opened = this.#files.get(file);
    if (opened === undefined) throw new MonoquantError('internal', 'No file is open.');
    return opened;
  }

  #openedIfAny(file: number | undefined): EngineFile<Output> | undefined {
    return file === undefined ? undefined : this.#opened(file);
  }
}
