/**
 * The compiled engine as TypeScript sees it: the symbols of cpp/bindings/embind.cc, typed.
 * Views of engine memory are valid until the next call into the engine and are never kept.
 */

import type { Calibration } from '../api/calibration.js';
import type { Json } from '../api/json.js';
import type { ModelClass } from '../api/model-config.js';
import type { Catalog, Distribution, Plan, Problem, SearchProgress } from '../api/types.js';
import type { ActivationMode } from '../api/validation.js';
import type {
  Allocation,
  DecisionTable,
  Found,
  Prior,
  SearchSettings,
  SearchTable,
} from './decisions.js';
import type {
  EngineOptions,
  RescaleRequest,
  RescaleResult,
  UnfitTensor,
} from './engine-options.js';

/** Every handle lives in engine memory until it is deleted. */
interface Handle {
  delete(): void;
}

/** Reads a file's metadata: ask `need`, fill `input`, call `filled`, until it is done. */
export interface WasmInspector extends Handle {
  /** True while bytes are wanted: those from `needOffset` that fill `input`. */
  step(): boolean;
  needOffset(): number;
  input(): Uint8Array;
  filled(): void;
  /**
   * When the catalog is complete: leaves tensors out, and gives others new names, by their indices before. False: see
   * `error`.
   */
  select(choice: Json<SelectedTensors>): boolean;
  /** JSON of an EngineError, or '' when all is well. Ask after `step` has returned false. */
  error(): string;
  catalog(): Json<Catalog>;
  /** All that metadata alone show. */
  problems(): Json<readonly Problem[]>;
  /** Tensors that runtimes make one layer of, by their indices in the catalog. */
  families(): Json<readonly (readonly number[])[]>;
}

/** What stands beside the weights in a model's folder. */
export interface WasmModelFolder extends Handle {
  /** Room for the bytes of a file, by its path in the folder: to be filled before the next call. */
  add(path: string, bytes: number): Uint8Array;
}

export interface WasmPlan extends Handle {
  /** JSON of an EngineError, or ''. */
  error(): string;
  json(): Json<PlanDocument>;
  /** Lets go of headers, once all bands were written. */
  forgetFixed(): void;
  /** Files of the output, which follow one another, and the bytes of each. */
  fileCount(): number;
  fileBytes(file: number): number;
  /** JSON of an EngineError where a file of the output, as `output` has found it, is not what was planned; or ''. */
  check(file: number, output: WasmInspector): string;
}

/** Ask for the error at once: JSON of an EngineError, or ''. */
export interface WasmPriors extends Handle {
  error(): string;
  json(): Json<readonly Prior[]>;
  /** The table that they follow from, with all that was left out of what was given. */
  table(): Json<object>;
}

/** Ask for the error at once, and when `allocate` returns ''. */
export interface WasmAllocator extends Handle {
  error(): string;
  allocate(budgetBytes: number): Json<Allocation> | '';
  /** The whole size-error curve, from the smallest file. */
  curve(): Json<readonly (readonly [bytes: number, error: number])[]>;
}

/** Ask for the error at once. */
export interface WasmFrontSearch extends Handle {
  error(): string;
  /** One generation. */
  step(): void;
  progress(): Json<SearchProgress>;
  found(): Json<Found>;
}

/** A plan as the engine knows it. */
export type PlanDocument = Omit<Plan, 'configuration'>;

/**
 * A pass over a file: reads in, writes out. `slots` blocks are in flight at once.
 * The order of calls: `next` hands out a slot with the bytes to read; when they are in `input(slot)`,
 * `process` (in the order of `next`); then the writes of that slot; then the slot may be handed out again.
 */
export interface WasmStage<Result = unknown> extends Handle {
  /**
   * Moves on to the next step for this slot; false at the end, or while steps are under way on which it
   * depends: ask again after `process`.
   */
  next(slot: number): boolean;
  /** Which of the stage's files the read is of. */
  readSource(slot: number): number;
  readOffset(slot: number): number;
  /** 0 where a slice needs no input. */
  readLength(slot: number): number;
  input(slot: number): Uint8Array;
  process(slot: number): boolean;
  writeCount(slot: number): number;
  writeOffset(slot: number, index: number): number;
  write(slot: number, index: number): Uint8Array;
  /** The tensor of the last slice processed. */
  tensor(): string;
  /** Bytes of work in all, and done so far. */
  totalBytes(): number;
  doneBytes(): number;
  /** JSON of an EngineError, or ''. Ask when `process` has returned false. */
  error(): string;
  /** Once `next` has returned false and every slot was processed. */
  result(): Json<Result>;
}

export interface WasmCalibrateStage extends WasmStage {
  /** What the file of the data is called. */
  setDataName(name: string): void;
  /** Both once everything was processed. */
  calibration(): Json<Calibration>;
  problems(): Json<DataProblems>;
}

/** Writes statistics of inputs: `addInputs`, `begin`, and then as any other. Has one slot. */
export interface WasmStatisticsStage extends WasmStage<object> {
  /** A file of the data, if second moments are wanted. False: see `error`. */
  addInputs(data: WasmInspector): boolean;
  /** The bytes of the file; 0: see `error`. */
  begin(): number;
}

/** What is wrong with captured inputs. */
export interface DataProblems {
  /** Names that match no layer. */
  readonly unmatched: readonly string[];
  /** Tensors that their layer cannot take. */
  readonly misfits: readonly {
    readonly name: string;
    readonly expected: string;
    readonly found: string;
  }[];
  /** Layers without data, and with little of it. */
  readonly missing: readonly string[];
  readonly few: readonly string[];
}

/** Checksums of what was read and written: the engine's own business, for `SealStage`. */
export interface Checksums {
  readonly source: unknown;
  readonly output: unknown;
}

/** Result of an EncodeStage. */
export interface EncodeResult extends Checksums {
  /** Tensors that turned out unfit; where there are any, the output is void: plan again with them. */
  readonly unfit: readonly UnfitTensor[];
  /** That were written. */
  readonly bytes: number;
  /**
   * Tensor, number of the band in it, sum of squares, sum of squared errors, largest error, scales at the edge of
   * their dtype; sum of squares and of squared errors of outputs, as far as inputs are known.
   */
  readonly errors: readonly (readonly [
    tensor: number,
    band: number,
    signal: number,
    noise: number,
    peak: number,
    edges: number,
    outputSignal: number,
    outputNoise: number,
  ])[];
}

/**
 * What a band has left in an output, as cpp/monoquant/run/band_record.h has it: the tensor by its index in the plan,
 * null for what comes before all bands; the digest of a range in hexadecimal; a sum of errors that is infinite is null.
 */
export type BandRecord = readonly [
  tensor: number | null,
  band: number,
  ranges: readonly (readonly [offset: number, bytes: number, digest: string, crc32: number])[],
  errors:
    | readonly [
        signal: number | null,
        noise: number | null,
        peak: number | null,
        edges: number,
        outputSignal: number | null,
        outputNoise: number | null,
      ]
    | null,
  crc: readonly [crc32: number, bytes: number, ofTensor: number] | null,
];

export interface WasmEncodeStage extends WasmStage<EncodeResult> {
  /**
   * Captured inputs, for methods that need them: source 2 and the ones behind it, before the first step. False: see
   * `error`.
   */
  addInputs(data: WasmInspector): boolean;
  /**
   * Takes bands for done that an earlier run has left in the output and that were compared with their records since.
   * Those of other shares are passed over. False: ask for the error. Before the first `next`.
   */
  takeDone(records: Json<readonly BandRecord[]>): boolean;
  /** From now on `takeRecords` has something to take. */
  keepRecords(): void;
  /** Of bands that were written since the last call; of all of them, if every write has been made. */
  takeRecords(isOver: boolean): Json<readonly BandRecord[]>;
}

/** Compares an output with the records of an earlier run. */
export interface WasmRecheckStage extends WasmStage<RecheckResult> {
  /** More of them. False: ask for the error. Before the first `next`. */
  add(records: Json<readonly BandRecord[]>): boolean;
}

/** Result of a RecheckStage. */
export interface RecheckResult {
  /** The numbers of the records of which not every byte is there, in the order in which they were added. */
  readonly wrong: readonly number[];
}

/** Some bands of a plan: one of `count` equal shares of a part, which is one of `count` parts of the whole. */
export interface Share {
  readonly index: number;
  readonly count: number;
  readonly part: Part;
  /** Values of each tensor that are looked at, for its errors alone; 0: all of them, which are written. */
  readonly sample: number;
}

export interface Part {
  readonly index: number;
  readonly count: number;
}

/** Result of a SealStage. */
export interface SealResult {
  readonly bytes: number;
}

/** Which tensors of a file are meant. */
export interface SelectedTensors {
  readonly leftOut: readonly number[];
  readonly renamed: readonly (readonly [index: number, name: string])[];
}

/** What a file is to be opened as. */
export interface OpenOptions {
  readonly key?: string;
  readonly stripPrefix?: string;
  /** Data may come as NumPy's .npz; models do not. */
  readonly acceptsArrays?: boolean;
  /** Codes, scales and zero points become one tensor of values. */
  readonly joinQuantized?: boolean;
  /** Which codes are an error: those in a layout that is not read here, or those that have a problem, too. */
  readonly refuses?: 'unknown' | 'unsound';
  /** What the configuration beside the file says of the model. */
  readonly modelClass?: ModelClass;
  /** What it says of quantized tensors, as JSON text. */
  readonly quantizationConfig?: string;
  /** Of a split GGUF file, whose parts lie one behind the other: where each ends but the last. */
  readonly fileEnds?: readonly number[];
}

/** Result of a CompareStage: of what was stored as codes, and of what both files have alike. */
export interface CompareResult {
  readonly tensors: readonly {
    readonly name: string;
    readonly compared: boolean;
    /** Elements that are not equal, and of these the ones that are NaN or infinite in one file only. */
    readonly different?: number;
    readonly notFinite?: number;
    /** Sum of squares of the reference, sum of squared errors, largest error. */
    readonly signal?: number;
    readonly noise?: number;
    readonly peak?: number;
    readonly codes?: {
      readonly badScales: number;
      readonly negativeScales: number;
      readonly badZeroPoints: number;
      readonly badCodes: number;
      /** Not the nearest to the reference's value. */
      readonly misrounded: number;
    };
  }[];
}

/** How much of a sum its largest members make. */
export interface Concentration {
  readonly members: number;
  /** How many of them the share is of. */
  readonly largest: number;
  readonly share: number;
  /** The largest of all, at most four: which, and its share. */
  readonly named: readonly (readonly [index: number, share: number])[];
}

/** Result of an OutlierStage: of every tensor that is stored as codes. */
export interface OutlierResult {
  readonly tensors: readonly {
    readonly name: string;
    /** Whether errors count by the mean squares of their inputs. */
    readonly weighted: boolean;
    /** Of the errors: by input channel, by output channel, by weight (its index in the tensor). */
    readonly inputs: Concentration;
    readonly outputs: Concentration;
    readonly weights: Concentration;
    /** Of the mean squares of inputs, by channel, if they are known. */
    readonly squares?: Concentration;
  }[];
}

/** Result of a TrialStage; `problems` are of the captured inputs: names and shapes that fit no layer. */
export interface TrialResult {
  readonly layers: readonly TrialLayer[];
  readonly problems: DataProblems;
}

/** A layer that was executed, or is left out, or failed. */
export interface TrialLayer {
  /** Those of its tensors that are quantized. */
  readonly tensors: readonly string[];
  /** Why it was not executed. */
  readonly leftOut?: string;
  /** What is wrong with its outputs, or with the stored scale of its input. */
  readonly failure?: string;
  readonly form?: 'linear' | 'convolution' | 'lstm' | 'gru';
  readonly mode?: ActivationMode;
  /** What is unusual about how it was executed. */
  readonly note?: string;
  readonly inputs?: 'captured' | 'statistics' | 'seeded';
  readonly samples?: number;
  /** Of one sample. */
  readonly outputs?: number;
  /** Whether the float layer has the reference's weights; else the stored ones, dequantized. */
  readonly reference?: boolean;
  /** Null where nothing was lost. */
  readonly sqnrDb?: number | null;
  readonly cosine?: number;
  readonly peak?: number;
}

export interface EngineError {
  readonly code: string;
  readonly message: string;
  readonly suggestion?: string;
  readonly tensor?: string;
  readonly offset?: number;
}

export interface WasmModule {
  readonly Inspector: new (fileSize: number, openOptionsJson: Json<OpenOptions>) => WasmInspector;
  /** A folder of this name. */
  readonly ModelFolder: new (
    name: string,
  ) => WasmModelFolder;
  /** Takes a copy of what it needs from the inspector and the folder. */
  readonly Plan: new (
    inspector: WasmInspector,
    optionsJson: Json<EngineOptions>,
    folder: WasmModelFolder | null,
  ) => WasmPlan;
  /**
   * Does the part `share` of `shares` equal ones. The plan must outlive the stage. With `readsBack` the output is its
   * source 1, and most of it is compared with what was encoded on the way.
   */
  readonly EncodeStage: new (
    plan: WasmPlan,
    share: Json<Share>,
    slots: number,
    blockBytes: number,
    readsBack: boolean,
  ) => WasmEncodeStage;
  /** Compares an output of so many bytes with records of what was written. */
  readonly RecheckStage: new (
    outputBytes: number,
    slots: number,
    blockBytes: number,
  ) => WasmRecheckStage;
  /**
   * Ends the output when all shares are encoded: compares and writes checksums. `checksumsJson` are theirs;
   * `encode` is one of them and must outlive it.
   */
  readonly SealStage: new (
    encode: WasmStage,
    checksumsJson: Json<readonly Checksums[]>,
  ) => WasmStage<SealResult>;
  /**
   * Reads the output back: what `encode` has not read back itself against the checksums that it took. `encode` must
   * outlive it.
   */
  readonly VerifyStage: new (
    encode: WasmStage,
    slots: number,
    blockBytes: number,
  ) => WasmStage;
  /**
   * Compares the values of `file` with those of `reference`, or only looks at its codes. Has one slot; the inspectors
   * must outlive it.
   */
  readonly CompareStage: new (
    file: WasmInspector,
    reference: WasmInspector | null,
    blockBytes: number,
  ) => WasmStage<CompareResult>;
  /**
   * Counts the values of one tensor in both files; has one slot. Ask for its error at once. Both inspectors must
   * outlive it.
   */
  readonly DistributionStage: new (
    file: WasmInspector,
    reference: WasmInspector,
    tensor: string,
    blockBytes: number,
  ) => WasmStage<Distribution>;
  /**
   * Finds which channels and weights make the errors of codes; `calibration`: of the reference's inputs, or ''. Has one
   * slot. Ask for its error at once. Both inspectors must outlive it.
   */
  readonly OutlierStage: new (
    file: WasmInspector,
    reference: WasmInspector,
    calibration: Json<Calibration> | '',
    blockBytes: number,
  ) => WasmStage<OutlierResult>;
  /** Writes the bytes of one tensor (by its index): values, if it is stored as codes. Has one slot. */
  readonly TensorStage: new (
    file: WasmInspector,
    tensor: number,
    blockBytes: number,
  ) => WasmStage<null>;
  /**
   * Adds a file of captured inputs to a calibration: the one so far, or ''. Ask for its error at once. Both inspectors
   * must outlive it.
   */
  readonly CalibrateStage: new (
    model: WasmInspector,
    data: WasmInspector,
    calibrationJson: Json<Calibration> | '',
    slots: number,
    blockBytes: number,
  ) => WasmCalibrateStage;
  /**
   * Chooses by how much layers are rescaled, for a plan that does not do so yet and must outlive it. Has one slot. Ask
   * for its error at once.
   */
  readonly RescaleStage: new (
    plan: WasmPlan,
    calibrationJson: Json<Calibration>,
    request: Json<RescaleRequest>,
    blockBytes: number,
  ) => WasmStage<RescaleResult>;
  /** Ask for its error at once. The model must outlive it. */
  readonly StatisticsStage: new (
    model: WasmInspector,
    calibrationJson: Json<Calibration>,
    secondMoments: boolean,
    blockBytes: number,
  ) => WasmStatisticsStage;
  /**
   * Executes the quantized layers of `file` beside those of `reference`, on inputs from `data`: source 2. Has one
   * slot; the inspectors must outlive it.
   */
  readonly TrialStage: new (
    file: WasmInspector,
    reference: WasmInspector | null,
    data: WasmInspector | null,
    blockBytes: number,
  ) => WasmStage<TrialResult>;
  /** Of weights by their names; `priorTable` is one of a person, or '' for the engine's own. */
  readonly Priors: new (
    namesJson: Json<readonly string[]>,
    priorTable: string,
  ) => WasmPriors;
  /** Chooses within budgets. */
  readonly Allocator: new (
    tableJson: Json<DecisionTable>,
  ) => WasmAllocator;
  /** Searches a front of several objectives. Its presets are choices to begin with. */
  readonly FrontSearch: new (
    tableJson: Json<SearchTable>,
    settingsJson: Json<SearchSettings>,
  ) => WasmFrontSearch;
  /** The CRC-32 of two runs of bytes, one behind the other. */
  combineCrc32(first: number, second: number, secondBytes: number): number;
  version(): string;
  /** How much memory the engine has taken so far. */
  memoryBytes(): number;
  /** Starts `threads` - 1 helpers; a no-op in `st`. Returns the number of threads that will work. */
  setThreads(threads: number): number;
}
