/**
 * A file in the hands of the engine: its catalog, plans for it, and one share of a run.
 * It exists so that a worker holds one object and need not know the engine's handles.
 * Documents stay the engine's JSON text: whoever shows them parses them.
 */
import { type ErrorCode, MonoquantError } from '../api/errors.js';
import type { Catalog, Configuration } from '../api/types.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';
import { countDistribution } from './distribution.js';
import { type BlockShape, deleteQuietly, type Engine, type Share } from './engine.js';
import { type EngineOptions, engineOptions } from './engine-options.js';
import { type OnStageProgress, runStage } from './pipeline.js';
import { TensorSink } from './tensor-sink.js';
import type { OpenOptions, UnfitTensor, WasmInspector, WasmPlan, WasmStage } from './wasm.js';

/** What a plan is made from, besides the file. */
export interface PlanChoice {
  readonly configuration: Configuration;
  /** What an earlier run found in the weights. */
  readonly unfit: readonly UnfitTensor[];
  /** JSON of a Calibration. */
  readonly calibration: string | null;
}

/** What layers are executed beside, and on. */
export interface TrialSources {
  readonly reference: ByteSource | undefined;
  /** Captured inputs. */
  readonly data: ByteSource | undefined;
}

/** What was found beside another file, or in the file alone. All are JSON texts. */
export interface Findings {
  /** Of the reference; undefined where there is none. */
  readonly catalog: string | undefined;
  readonly result: string;
  /** That the file's metadata show. */
  readonly problems: string;
}

export class Quantizer<Output> {
  readonly #engine: Engine;
  readonly #blocks: BlockShape;
  readonly #source: ByteSource;
  readonly #inspector: WasmInspector;
  #plan: WasmPlan | undefined;
  #encode: WasmStage | undefined;
  #sink: ByteSink<Output> | undefined;

  private constructor(
    engine: Engine,
    blocks: BlockShape,
    source: ByteSource,
    inspector: WasmInspector,
  ) {
    this.#engine = engine;
    this.#blocks = blocks;
    this.#source = source;
    this.#inspector = inspector;
  }

  static async open<Output>(
    engine: Engine,
    blocks: BlockShape,
    source: ByteSource,
    options: OpenOptions,
  ): Promise<Quantizer<Output>> {
    return new Quantizer<Output>(engine, blocks, source, await engine.inspect(source, options));
  }

  /** JSON of a Catalog. */
  catalog(): string {
    return this.#inspector.catalog();
  }

  /** JSON of a Plan, without its configuration. */
  plan(choice: PlanChoice): string {
    const options = this.#engineOptions(choice);
    const plan = this.#engine.plan(this.#inspector, options, choice.calibration);
    try {
      return plan.json();
    } finally {
      deleteQuietly(plan);
    }
  }

  /** Writes a share of the output, reads most of it back, and returns JSON of a StageResult. */
  async encode(
    choice: PlanChoice,
    share: Share,
    openSink: () => Promise<ByteSink<Output>>,
    onProgress?: OnStageProgress,
  ): Promise<string> {
    // An earlier attempt may hold the same place.
    await this.#drop();
    const sink = await openSink();
    this.#sink = sink;
    const options = this.#engineOptions(choice);
    this.#plan = this.#engine.plan(this.#inspector, options, choice.calibration);
    this.#encode = this.#engine.encodeStage(this.#plan, share, this.#blocks, true);
    const { slots } = this.#blocks;
    return runStage(this.#encode, { sources: [this.#source, sink], sink, slots, onProgress });
  }

  /** The elements of one tensor, one after the other: F32, if it is stored as codes. */
  async tensor(index: number): Promise<Uint8Array> {
    const stage = this.#engine.tensorStage(this.#inspector, index, this.#blocks);
    try {
      const sink = new TensorSink(stage.totalBytes());
      await runStage(stage, { sources: [this.#source], sink, slots: 1 });
      return sink.finish();
    } finally {
      deleteQuietly(stage);
    }
  }

  /** Looks at what is stored as codes, beside a reference where there is one. */
  async compare(
    reference: ByteSource | undefined,
    options: OpenOptions,
    onProgress?: OnStageProgress,
  ): Promise<Findings> {
    let other: WasmInspector | undefined;
    let stage: WasmStage | undefined;
    try {
      if (reference !== undefined) other = await this.#engine.inspect(reference, options);
      stage = this.#engine.compareStage(this.#inspector, other, this.#blocks);
      const sources = reference === undefined ? [this.#source] : [this.#source, reference];
      const result = await runStage(stage, { sources, slots: 1, onProgress });
      return { catalog: other?.catalog(), result, problems: this.#inspector.problems() };
    } finally {
      deleteQuietly(stage);
      deleteQuietly(other);
    }
  }

  /** Counts the values of one tensor, here and in the reference; answers JSON of a Distribution. */
  async distribution(
    reference: ByteSource,
    options: OpenOptions,
    tensor: string,
    onProgress?: OnStageProgress,
  ): Promise<string> {
    const inspector = await this.#engine.inspect(reference, options);
    try {
      const file = { source: this.#source, inspector: this.#inspector };
      const other = { source: reference, inspector };
      return await countDistribution(this.#engine, this.#blocks, file, other, tensor, onProgress);
    } finally {
      deleteQuietly(inspector);
    }
  }

  /** Executes the quantized layers; answers JSON of a TrialResult. */
  async trial(
    { reference, data }: TrialSources,
    options: OpenOptions,
    onProgress?: OnStageProgress,
  ): Promise<string> {
    let other: WasmInspector | undefined;
    let inputs: WasmInspector | undefined;
    let stage: WasmStage | undefined;
    try {
      if (reference !== undefined) other = await this.#engine.inspect(reference, options);
      // All of the file is data: no part of it is a state dict.
      if (data !== undefined)
        inputs = await this.#engine.inspect(data, { key: '', acceptsArrays: true });
      stage = this.#engine.trialStage(this.#inspector, other, inputs, this.#blocks);
      // By the numbers that the engine gives them; what is not there is never read.
      const sources = [this.#source, reference ?? this.#source, data ?? this.#source];
      return await runStage(stage, { sources, slots: 1, onProgress });
    } finally {
      deleteQuietly(stage);
      deleteQuietly(inputs);
      deleteQuietly(other);
    }
  }

  /** Adds a file of captured inputs to a calibration, JSON or ''; answers JSON of a CalibrateResult. */
  async calibrate(data: ByteSource, soFar: string, onProgress?: OnStageProgress): Promise<string> {
    // All of the file is data: no part of it is a state dict.
    const inspector = await this.#engine.inspect(data, { key: '', acceptsArrays: true });
    let stage: WasmStage | undefined;
    try {
      stage = this.#engine.calibrateStage(this.#inspector, inspector, soFar, this.#blocks);
      return await runStage(stage, { sources: [data], slots: this.#blocks.slots, onProgress });
    } finally {
      deleteQuietly(stage);
      deleteQuietly(inspector);
    }
  }

  /** Ends the output when every share was encoded; `results` are JSON of all StageResults. */
  async seal(results: readonly string[]): Promise<string> {
    if (this.#encode === undefined || this.#sink === undefined) throw outOfOrder('seal');
    const stage = this.#engine.sealStage(this.#encode, results);
    try {
      return await runStage(stage, { sources: [this.#source], sink: this.#sink, slots: 1 });
    } finally {
      deleteQuietly(stage);
    }
  }

  /** Reads back the rest of what `encode` wrote, once every share has been written. */
  async verify(onProgress?: OnStageProgress): Promise<void> {
    if (this.#encode === undefined || this.#sink === undefined) throw outOfOrder('verify');
    const output = await inspectOutput(this.#engine, this.#sink);
    let stage: WasmStage | undefined;
    try {
      stage = this.#engine.verifyStage(this.#encode, output, this.#blocks);
      await runStage(stage, { sources: [this.#sink], slots: this.#blocks.slots, onProgress });
    } finally {
      deleteQuietly(stage);
      deleteQuietly(output);
    }
  }

  /** Every share has been verified. */
  async finish(): Promise<Output> {
    if (this.#sink === undefined) throw outOfOrder('finish');
    await this.#source.checkUnchanged?.();
    const output = await this.#sink.finish();
    this.#sink = undefined;
    return output;
  }

  /** What was not finished is void. */
  async close(): Promise<void> {
    await this.#drop();
    deleteQuietly(this.#inspector);
  }

  async #drop(): Promise<void> {
    deleteQuietly(this.#encode);
    deleteQuietly(this.#plan);
    this.#encode = undefined;
    this.#plan = undefined;
    await this.#sink?.abort();
    this.#sink = undefined;
  }

  #engineOptions({ configuration, unfit }: PlanChoice): EngineOptions {
    return { ...engineOptions(configuration, () => this.#names()), unfit };
  }

  #names(): readonly string[] {
    const catalog = JSON.parse(this.#inspector.catalog()) as Catalog;
    return catalog.tensors.map(({ name }) => name);
  }
}

const STRUCTURE_CODES: readonly ErrorCode[] = [
  'unsupported-format',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
];

/** What would be a fault of an input is our own failure in an output. */
async function inspectOutput(engine: Engine, output: ByteSource): Promise<WasmInspector> {
  try {
    // Everything in it was written here.
    return await engine.inspect(output, { key: '' });
  } catch (cause) {
    if (!(cause instanceof MonoquantError) || !STRUCTURE_CODES.includes(cause.code)) throw cause;
    const message = `The output reads back as no valid file: ${cause.message}`;
    throw new MonoquantError('verification-failed', message, { offset: cause.offset, cause });
  }
}

function outOfOrder(step: string): MonoquantError {
  return new MonoquantError('internal', `Nothing was encoded before "${step}".`);
}
