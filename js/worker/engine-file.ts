/**
 * A file that is open in the worker, and what was made of it: its calibration, and its run.
 * Documents are made when they are asked for, as the engine's JSON text.
 */
import { MonoquantError } from '../api/errors.js';
import { type Json, parseJson, parted, toJson } from '../api/json.js';
import { layerDrop } from '../api/layer-drop.js';
import type { KeptLayers } from '../api/model-config.js';
import { withThreshold } from '../api/outlier-threshold.js';
import type { SideFolder } from '../api/side-folder.js';
import type {
  Calibration,
  Catalog,
  Distribution,
  Problem,
  SearchProgress,
  Warning,
} from '../api/types.js';
import type {
  Allocation,
  DecisionTable,
  Found,
  Prior,
  SearchSettings,
  SearchTable,
} from '../engine/decisions.js';
import { countDistribution } from '../engine/distribution.js';
import { deleteQuietly, type Engine, throwIfError, withHandle } from '../engine/engine.js';
import { engineOptions } from '../engine/engine-options.js';
import { type OnStageProgress, runStage } from '../engine/pipeline.js';
import type { JoinedShards } from '../engine/shards.js';
import { TensorSink } from '../engine/tensor-sink.js';
import type {
  CompareResult,
  DataProblems,
  OpenOptions,
  OutlierResult,
  PlanDocument,
  TrialResult,
  WasmFrontSearch,
  WasmInspector,
  WasmPlan,
  WasmStage,
} from '../engine/wasm.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { BlockShape, ByteSource } from '../io/byte-source.js';
import { EngineRun } from './engine-run.js';
import { type Folding, foldingOf } from './folding.js';
import { inspectOutput } from './inspect-output.js';
import { type PlanFacts, planFacts, warningsBefore } from './plan-facts.js';
import type { Calls, PlanChoice } from './protocol.js';
import { type Rescaling, rescalingOf } from './rescaling.js';

/** The model as one source. */
export interface OpenedSource extends JoinedShards {
  /** Of its files on the disk, if any of them is compressed. */
  readonly packedBytes: number | undefined;
}

export class EngineFile<Output> {
  readonly #engine: Engine;
  readonly #blocks: BlockShape;
  readonly source: ByteSource;
  readonly inspector: WasmInspector;
  /** What was found while the files of the model were opened and joined. */
  readonly #joined: Omit<OpenedSource, 'source'>;
  #calibration: Json<Calibration> | null = null;
  #folder: SideFolder | undefined;
  #run: EngineRun<Output> | undefined;
  #search: WasmFrontSearch | undefined;
  #folding: Folding | undefined;
  #rescaling: Rescaling | undefined;
  /** What is planned for, if that is not all of the file. */
  #selected: WasmInspector | undefined;
  #layers: KeptLayers | undefined;
  /** Of the plan of the run. */
  #ignore: readonly string[] = [];
  #outliers: number | null = null;

  readonly #opening: OpenOptions;

  private constructor(
    engine: Engine,
    blocks: BlockShape,
    source: ByteSource,
    inspector: WasmInspector,
    joined: Omit<OpenedSource, 'source'>,
    opening: OpenOptions,
  ) {
    this.#joined = joined;
    this.#opening = opening;
    this.#engine = engine;
    this.#blocks = blocks;
    this.source = source;
    this.inspector = inspector;
  }

  static async open<Output>(
    engine: Engine,
    blocks: BlockShape,
    { source, ...joined }: OpenedSource,
    options: OpenOptions,
  ): Promise<EngineFile<Output>> {
    const { isRaw = false, ends } = joined;
    const opening = isRaw ? { ...options, fileEnds: ends } : options;
    const inspector = await engine.inspect(source, opening);
    const shape = source.blocks ?? blocks;
    return new EngineFile<Output>(engine, shape, source, inspector, joined, opening);
  }

  catalog(): Json<Catalog> {
    const json = this.inspector.catalog();
    const { facts, packedBytes } = this.#joined;
    if (facts === undefined && packedBytes === undefined) return json;
    const { format, bytes, ...catalog } = parseJson(json);
    const packed = packedBytes === undefined ? {} : { packedBytes };
    return toJson({ format, bytes, ...packed, ...catalog, ...facts });
  }

  problems(): Json<readonly Problem[]> {
    const problems = this.inspector.problems();
    return this.#joined.problems.length === 0
      ? problems
      : toJson([...this.#joined.problems, ...parseJson(problems)]);
  }

  priors(names: readonly string[], table: object | null): Promise<Json<readonly Prior[]>> {
    return this.#engine.priors(names, table === null ? '' : toJson(table));
  }

  curve(table: Json<DecisionTable>): Promise<Json<readonly (readonly [number, number])[]>> {
    return this.#engine.curve(table);
  }

  allocate(table: Json<DecisionTable>, budgetBytes: number): Promise<Json<Allocation>> {
    return this.#engine.allocate(table, budgetBytes);
  }

  beginSearch(table: Json<SearchTable>, settings: SearchSettings): Json<SearchProgress> {
    this.#dropSearch();
    this.#search = this.#engine.frontSearch(table, settings);
    return this.#search.progress();
  }

  stepSearch(): Json<SearchProgress> {
    const search = this.#searching;
    search.step();
    return search.progress();
  }

  endSearch(): Json<Found> {
    const found = this.#searching.found();
    this.#dropSearch();
    return found;
  }

  get #searching(): WasmFrontSearch {
    if (this.#search === undefined) throw new MonoquantError('internal', 'Nothing is searched.');
    return this.#search;
  }

  #dropSearch(): void {
    deleteQuietly(this.#search);
    this.#search = undefined;
  }

  setCalibration(calibration: Json<Calibration> | null): void {
    this.#calibration = calibration;
  }

  setFolder(folder: SideFolder | undefined): void {
    this.#folder = folder;
  }

  calibration(): Json<Calibration> | null {
    return this.#calibration;
  }

  /** Adds captured inputs to the calibration. */
  async calibrate(
    data: EngineFile<Output>,
    name = '',
    onProgress?: OnStageProgress,
  ): Promise<Json<DataProblems>> {
    const before = this.#calibration;
    const blocks = data.#blocks;
    const made = this.#engine.calibrateStage(this.inspector, data.inspector, before, blocks);
    return withHandle(made, async (stage) => {
      stage.setDataName(name);
      await runStage(stage, { sources: [data.source], slots: blocks.slots, onProgress });
      this.#calibration = stage.calibration();
      return stage.problems();
    });
  }

  /** Writes the calibration as a file of statistics; `data`: all that it was made of, if second moments are wanted. */
  async writeStatistics(
    data: readonly EngineFile<Output>[],
    secondMoments: boolean,
    open: (size: number) => Promise<ByteSink<Output>>,
    onProgress?: OnStageProgress,
  ): Promise<Output> {
    const calibration = this.#calibration;
    if (calibration === null) throw new MonoquantError('internal', 'There is no calibration.');
    const blocks = this.#blocksWith(...data);
    const made = this.#engine.statisticsStage(this.inspector, calibration, secondMoments, blocks);
    return withHandle(made, async (stage) => {
      for (const { inspector } of data) {
        if (!stage.addInputs(inspector)) throwIfError(stage.error());
      }
      const size = stage.begin();
      throwIfError(stage.error());
      const sink = await open(size);
      try {
        const sources = data.map((file) => file.source);
        await runStage(stage, { sources, sink, slots: 1, onProgress });
        await withHandle(await inspectOutput(this.#engine, sink), async (output) =>
          throwIfError(output.error()),
        );
        return await sink.finish();
      } catch (error) {
        await sink.abort();
        throw error;
      }
    });
  }

  /** Makes the plan of a run. */
  async plan(choice: PlanChoice): Promise<void> {
    // A run by an earlier plan may hold the same place.
    await this.drop();
    this.#ignore = choice.configuration.ignore;
    this.#outliers = choice.configuration.outliers;
    const plan = await this.#planOf(choice);
    this.#run = new EngineRun(this.#engine, this.#blocks, this.source, plan);
  }

  /** A plan that is only shown. */
  async planDocument(
    choice: PlanChoice,
  ): Promise<Calls<unknown, unknown, Output>['planDocument']['answer']> {
    const made = await withHandle(await this.#planOf(choice), (plan) => plan.json());
    const plan = parted<'tensors', PlanDocument>(made, 'tensors');
    const before = warningsBefore(this.#planned(), choice.configuration.ignore);
    return { plan, before: [...before, ...this.#warningsOfChanges()] };
  }

  /** What a run has to know of its plan. */
  planFacts(): PlanFacts {
    const facts = planFacts(this.run.document(), this.#planned(), this.#ignore);
    const layers = this.#layers === undefined ? {} : { layers: this.#layers };
    return {
      ...facts,
      outputConfig: {
        ...facts.outputConfig,
        quantization: withThreshold(facts.outputConfig.quantization, this.#outliers),
        ...layers,
      },
      warnings: [...this.#warningsOfChanges(), ...facts.warnings],
    };
  }

  #warningsOfChanges(): readonly Warning[] {
    return [...(this.#folding?.warnings ?? []), ...(this.#rescaling?.warnings ?? [])];
  }

  /** The run by the plan that was made. */
  get run(): EngineRun<Output> {
    if (this.#run === undefined) throw new MonoquantError('internal', 'Nothing was planned.');
    return this.#run;
  }

  /** Lets go of the plan and of what was made by it. */
  async drop(): Promise<void> {
    await this.#run?.drop();
    this.#run = undefined;
  }

  /** The elements of the tensor of this index, one after the other: F32, if it is stored as codes. */
  async tensor(index: number, inspector = this.inspector): Promise<Uint8Array> {
    const made = this.#engine.tensorStage(inspector, index, this.#blocks);
    return withHandle(made, async (stage) => {
      const sink = new TensorSink(stage.totalBytes());
      await runStage(stage, { sources: [this.source], sink, slots: 1 });
      return sink.finish();
    });
  }

  /** Looks at what is stored as codes, beside a reference if there is one. */
  async compare(
    reference: EngineFile<Output> | undefined,
    onProgress?: OnStageProgress,
  ): Promise<Json<CompareResult>> {
    const blocks = this.#blocksWith(reference);
    const made = this.#engine.compareStage(this.inspector, reference?.inspector, blocks);
    return withHandle(made, (stage) => this.#pass(stage, [reference], onProgress));
  }

  /** Counts the values of one tensor, here and in the reference. */
  distribution(
    reference: EngineFile<Output>,
    tensor: string,
    onProgress?: OnStageProgress,
  ): Promise<Json<Distribution>> {
    const blocks = this.#blocksWith(reference);
    return countDistribution(this.#engine, blocks, this, reference, tensor, onProgress);
  }

  /** Which channels and weights make the errors of codes; `known`: of the reference's inputs. */
  async outliers(
    reference: EngineFile<Output>,
    known: Json<Calibration> | null,
    onProgress?: OnStageProgress,
  ): Promise<Json<OutlierResult>> {
    const blocks = this.#blocksWith(reference);
    const made = this.#engine.outlierStage(this.inspector, reference.inspector, known, blocks);
    return withHandle(made, (stage) => this.#pass(stage, [reference], onProgress));
  }

  /** The output of the run, its codes as values. */
  openOutput(): Promise<EngineFile<Output>> {
    const joined = { source: this.run.written, ends: [], problems: [], packedBytes: undefined };
    const opening = { key: '', joinQuantized: true };
    return EngineFile.open<Output>(this.#engine, this.#blocks, joined, opening);
  }

  /** Executes the quantized layers, on captured inputs if `data` has any. */
  async trial(
    reference: EngineFile<Output> | undefined,
    data: EngineFile<Output> | undefined,
    onProgress?: OnStageProgress,
  ): Promise<Json<TrialResult>> {
    const inspectors = [reference?.inspector, data?.inspector] as const;
    const blocks = this.#blocksWith(reference, data);
    const made = this.#engine.trialStage(this.inspector, ...inspectors, blocks);
    return withHandle(made, (stage) => this.#pass(stage, [reference, data], onProgress));
  }

  /** For a pass over several files: as the one that wants the largest. */
  #blocksWith(...others: readonly (EngineFile<Output> | undefined)[]): BlockShape {
    const all = [this.#blocks, ...others.flatMap((file) => (file ? [file.#blocks] : []))];
    return all.reduce((most, each) => (each.blockBytes > most.blockBytes ? each : most));
  }

  /** Runs a stage over this file and others, by the numbers that the engine gives them. */
  #pass<Result>(
    stage: WasmStage<Result>,
    others: readonly (EngineFile<Output> | undefined)[],
    onProgress: OnStageProgress | undefined,
  ): Promise<Json<Result>> {
    // What is not there is never read.
    const sources = [this, ...others].map((file) => file?.source ?? this.source);
    return runStage(stage, { sources, slots: 1, onProgress });
  }

  async close(): Promise<void> {
    await this.drop();
    this.#dropSearch();
    this.#forgetSelected();
    deleteQuietly(this.inspector);
    await this.source.close?.();
  }

  /** By how much layers are rescaled in plans of this choice; nothing if none are to be. */
  async rescale(choice: PlanChoice, onProgress?: OnStageProgress): Promise<Rescaling | undefined> {
    const { smooth, drop } = choice.configuration;
    const calibration = this.#calibration;
    if (smooth === 'off' || calibration === null) return undefined;
    const inspector = await this.#inspectorFor(drop);
    const catalog = parseJson(inspector.catalog());
    const made = await this.#madePlan(inspector, choice, undefined);
    return withHandle(made, (plan) =>
      rescalingOf(catalog, this.#opening.modelClass, smooth, (request) => {
        const stage = this.#engine.rescaleStage(plan, calibration, request, this.#blocks);
        const io = { sources: [this.source], slots: 1, onProgress };
        return withHandle(stage, (run) => runStage(run, io));
      }),
    );
  }

  async #planOf(choice: PlanChoice): Promise<WasmPlan> {
    const rescaling = choice.rescaling ?? (await this.rescale(choice));
    const inspector = await this.#inspectorFor(choice.configuration.drop);
    this.#rescaling = rescaling;
    return this.#madePlan(inspector, choice, rescaling);
  }

  async #madePlan(
    inspector: WasmInspector,
    { configuration, divides, unfit, mix }: PlanChoice,
    rescaling: Rescaling | undefined,
  ): Promise<WasmPlan> {
    const ends = divides || configuration.container === 'gguf' ? this.#joined.ends : [];
    const names = () => parseJson(inspector.catalog()).tensors.map(({ name }) => name);
    this.#folding = configuration.foldBn
      ? await foldingOf(parseJson(inspector.catalog()), configuration.bnEps, (index) =>
          this.tensor(index, inspector),
        )
      : undefined;
    const options = {
      ...engineOptions(configuration, names, ends, mix),
      ...(this.#folding === undefined ? {} : { folds: this.#folding.folds }),
      unfit,
    };
    const { rescales } = rescaling ?? {};
    return this.#engine.plan(inspector, options, this.#calibration, this.#folder, rescales);
  }

  /** Of the file without the layers that are left out. */
  async #inspectorFor(drop: readonly string[]): Promise<WasmInspector> {
    this.#forgetSelected();
    if (drop.length === 0) return this.inspector;
    const all = parseJson(this.inspector.catalog()).tensors.map(({ name }) => name);
    const { layers, ...choice } = layerDrop(drop, all);
    const selected = await this.#engine.inspect(this.source, this.#opening);
    this.#selected = selected;
    this.#layers = layers;
    if (!selected.select(toJson(choice))) throwIfError(selected.error());
    return selected;
  }

  #forgetSelected(): void {
    if (this.#selected !== undefined) deleteQuietly(this.#selected);
    this.#selected = undefined;
    this.#layers = undefined;
  }

  /** What plans are about. */
  #planned(): Catalog {
    return parseJson(this.#selected === undefined ? this.catalog() : this.#selected.catalog());
  }
}
