/**
 * A file that is open in the worker, and what was made of it: its calibration, its plan, its share of a run.
 * Documents are made when they are asked for, as the engine's JSON text.
 */

import { FILE_FAULTS, MonoquantError } from '../api/errors.js';
import { type Json, parseJson, toJson } from '../api/json.js';
import type { Calibration, Catalog, Distribution, Problem } from '../api/types.js';
import { countDistribution } from '../engine/distribution.js';
import { type BlockShape, deleteQuietly, type Engine, type Share } from '../engine/engine.js';
import { type EngineOptions, engineOptions } from '../engine/engine-options.js';
import { type OnStageProgress, runStage } from '../engine/pipeline.js';
import { TensorSink } from '../engine/tensor-sink.js';
import type {
  Checksums,
  CompareResult,
  DataProblems,
  EncodeResult,
  OpenOptions,
  PlanDocument,
  TrialResult,
  WasmInspector,
  WasmPlan,
  WasmStage,
} from '../engine/wasm.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';
import { type PlanFacts, planFacts } from './plan-facts.js';
import type { BandErrors, EncodedShare, PlanChoice } from './protocol.js';
import { tableOf } from './table.js';

export class EngineFile<Output> {
  readonly #engine: Engine;
  readonly #blocks: BlockShape;
  readonly source: ByteSource;
  readonly inspector: WasmInspector;
  /** Of the files that it was joined from. */
  readonly #problems: readonly Problem[];
  #calibration: Json<Calibration> | null = null;
  #plan: WasmPlan | undefined;
  #encode: WasmStage<EncodeResult> | undefined;
  #sink: ByteSink<Output> | undefined;

  private constructor(
    engine: Engine,
    blocks: BlockShape,
    source: ByteSource,
    inspector: WasmInspector,
    problems: readonly Problem[],
  ) {
    this.#problems = problems;
    this.#engine = engine;
    this.#blocks = blocks;
    this.source = source;
    this.inspector = inspector;
  }

  static async open<Output>(
    engine: Engine,
    blocks: BlockShape,
    source: ByteSource,
    options: OpenOptions,
    problems: readonly Problem[],
  ): Promise<EngineFile<Output>> {
    const inspector = await engine.inspect(source, options);
    return new EngineFile<Output>(engine, blocks, source, inspector, problems);
  }

  catalog(): Json<Catalog> {
    return this.inspector.catalog();
  }

  problems(): Json<readonly Problem[]> {
    const problems = this.inspector.problems();
    return this.#problems.length === 0
      ? problems
      : toJson([...this.#problems, ...parseJson(problems)]);
  }

  setCalibration(calibration: Json<Calibration> | null): void {
    this.#calibration = calibration;
  }

  calibration(): Json<Calibration> | null {
    return this.#calibration;
  }

  /** Adds captured inputs to the calibration. */
  async calibrate(
    data: EngineFile<Output>,
    onProgress?: OnStageProgress,
  ): Promise<Json<DataProblems>> {
    const before = this.#calibration;
    const stage = this.#engine.calibrateStage(this.inspector, data.inspector, before, this.#blocks);
    try {
      await runStage(stage, { sources: [data.source], slots: this.#blocks.slots, onProgress });
      this.#calibration = stage.calibration();
      return stage.problems();
    } finally {
      deleteQuietly(stage);
    }
  }

  /** Makes the plan of a run. */
  async plan(choice: PlanChoice): Promise<void> {
    // A run by an earlier plan may hold the same place.
    await this.drop();
    const options = this.#engineOptions(choice);
    this.#plan = this.#engine.plan(this.inspector, options, this.#calibration);
  }

  /** A plan that is only shown. */
  planDocument(choice: PlanChoice): Json<PlanDocument> {
    const plan = this.#engine.plan(this.inspector, this.#engineOptions(choice), this.#calibration);
    try {
      return plan.json();
    } finally {
      deleteQuietly(plan);
    }
  }

  /** What a run has to know of its plan. */
  planFacts(): PlanFacts {
    return planFacts(this.#planned().json(), parseJson(this.inspector.catalog()));
  }

  /** Writes a share of what was planned, and reads most of it back. */
  async encode(
    share: Share,
    sink: ByteSink<Output>,
    onProgress?: OnStageProgress,
  ): Promise<EncodedShare> {
    this.#sink = sink;
    this.#encode = this.#engine.encodeStage(this.#planned(), share, this.#blocks, true);
    const { slots } = this.#blocks;
    const io = { sources: [this.source, sink], sink, slots, onProgress };
    const result = parseJson(await runStage(this.#encode, io));
    const { unfit, bytes, errors, source, output } = result;
    const checksums: Checksums = { source, output };
    return { unfit, bytes, errors: tableOf(errors.map(bandErrors)), checksums: toJson(checksums) };
  }

  /** Ends the output when every share was encoded; answers how many bytes it has written. */
  async seal(checksums: readonly Json<Checksums>[]): Promise<number> {
    const { encode, sink } = this.#running('seal');
    const stage = this.#engine.sealStage(encode, checksums);
    try {
      return parseJson(await runStage(stage, { sources: [this.source], sink, slots: 1 })).bytes;
    } finally {
      deleteQuietly(stage);
    }
  }

  /** Reads back the rest of what `encode` wrote, once every share has been written. */
  async verify(onProgress?: OnStageProgress): Promise<void> {
    const { encode, sink } = this.#running('verify');
    const output = await inspectOutput(this.#engine, sink);
    let stage: WasmStage | undefined;
    try {
      stage = this.#engine.verifyStage(encode, output, this.#blocks);
      await runStage(stage, { sources: [sink], slots: this.#blocks.slots, onProgress });
    } finally {
      deleteQuietly(stage);
      deleteQuietly(output);
    }
  }

  /** Every share has been verified. */
  async finish(): Promise<Output> {
    const { sink } = this.#running('finish');
    await this.source.checkUnchanged?.();
    const output = await sink.finish();
    this.#sink = undefined;
    await this.drop();
    return output;
  }

  /** Lets go of the plan and of what was made by it; an output that was not finished is void. */
  async drop(): Promise<void> {
    deleteQuietly(this.#encode);
    deleteQuietly(this.#plan);
    this.#encode = undefined;
    this.#plan = undefined;
    await this.#sink?.abort();
    this.#sink = undefined;
  }

  /** The elements of the tensor of this index, one after the other: F32, if it is stored as codes. */
  async tensor(index: number): Promise<Uint8Array> {
    const stage = this.#engine.tensorStage(this.inspector, index, this.#blocks);
    try {
      const sink = new TensorSink(stage.totalBytes());
      await runStage(stage, { sources: [this.source], sink, slots: 1 });
      return sink.finish();
    } finally {
      deleteQuietly(stage);
    }
  }

  /** Looks at what is stored as codes, beside a reference if there is one. */
  async compare(
    reference: EngineFile<Output> | undefined,
    onProgress?: OnStageProgress,
  ): Promise<Json<CompareResult>> {
    const stage = this.#engine.compareStage(this.inspector, reference?.inspector, this.#blocks);
    try {
      // What is not there is never read.
      const sources = [this.source, reference?.source ?? this.source];
      return await runStage(stage, { sources, slots: 1, onProgress });
    } finally {
      deleteQuietly(stage);
    }
  }

  /** Counts the values of one tensor, here and in the reference. */
  distribution(
    reference: EngineFile<Output>,
    tensor: string,
    onProgress?: OnStageProgress,
  ): Promise<Json<Distribution>> {
    return countDistribution(this.#engine, this.#blocks, this, reference, tensor, onProgress);
  }

  /** Executes the quantized layers, on captured inputs if `data` has any. */
  async trial(
    reference: EngineFile<Output> | undefined,
    data: EngineFile<Output> | undefined,
    onProgress?: OnStageProgress,
  ): Promise<Json<TrialResult>> {
    const stage = this.#engine.trialStage(
      this.inspector,
      reference?.inspector,
      data?.inspector,
      this.#blocks,
    );
    try {
      // By the numbers that the engine gives them; what is not there is never read.
      const others = [reference, data].map((file) => file?.source ?? this.source);
      return await runStage(stage, { sources: [this.source, ...others], slots: 1, onProgress });
    } finally {
      deleteQuietly(stage);
    }
  }

  async close(): Promise<void> {
    await this.drop();
    deleteQuietly(this.inspector);
  }

  #planned(): WasmPlan {
    if (this.#plan === undefined) throw new MonoquantError('internal', 'Nothing was planned.');
    return this.#plan;
  }

  #running(step: string): { encode: WasmStage<EncodeResult>; sink: ByteSink<Output> } {
    if (this.#encode !== undefined && this.#sink !== undefined) {
      return { encode: this.#encode, sink: this.#sink };
    }
    throw new MonoquantError('internal', `Nothing was encoded before "${step}".`);
  }

  #engineOptions({ configuration, unfit }: PlanChoice): EngineOptions {
    return { ...engineOptions(configuration, () => this.#names()), unfit };
  }

  #names(): readonly string[] {
    return parseJson(this.inspector.catalog()).tensors.map(({ name }) => name);
  }
}

function bandErrors([
  tensor,
  band,
  signal,
  noise,
  peak,
  edges,
]: EncodeResult['errors'][number]): BandErrors {
  return { tensor, band, signal, noise, peak, edges };
}

/** What would be a fault of an input is our own failure in an output. */
async function inspectOutput(engine: Engine, output: ByteSource): Promise<WasmInspector> {
  try {
    // Everything in it was written here.
    return await engine.inspect(output, { key: '' });
  } catch (cause) {
    if (!(cause instanceof MonoquantError) || !FILE_FAULTS.includes(cause.code)) throw cause;
    const message = `The output reads back as no valid file: ${cause.message}`;
    throw new MonoquantError('verification-failed', message, { offset: cause.offset, cause });
  }
}
