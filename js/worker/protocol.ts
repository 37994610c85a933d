/**
 * What a session and its worker say to each other: `load` first, then `open` for each file, under a number of the
 * session's choice, then anything about a file that is open. What was made of a file stays with it in the worker
 * until it is closed: its catalog, its calibration, its plan, its share of a run. Documents cross only if they are
 * asked for, as the engine's JSON; everything survives structured cloning.
 * A run: `plan` and `encode` on every worker, `seal` on one, `verify` on every worker, `finish` on that one; or `drop`.
 */
import type { Calibration } from '../api/calibration.js';
import type { Json, Parted } from '../api/json.js';
import type { SideFolder } from '../api/side-folder.js';
import type {
  Catalog,
  Configuration,
  Distribution,
  EngineInfo,
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
import type { TensorChoices, UnfitTensor } from '../engine/engine-options.js';
import type {
  BandRecord,
  Checksums,
  CompareResult,
  DataProblems,
  OpenOptions,
  OutlierResult,
  PlanDocument,
  Share,
  TrialResult,
} from '../engine/wasm.js';
import type { Segment } from '../io/assembled.js';
import type { Failure } from './failure.js';
import type { PartContent } from './part-file.js';
import type { PlanFacts } from './plan-facts.js';
import type { Rescaling } from './rescaling.js';
import type { Table } from './table.js';

/** A request's parameters and its answer. */
interface Call<Parameters, Answer> {
  readonly parameters: Parameters;
  readonly answer: Answer;
}

/** `Source` and `Sink` are how a host names its files, `Output` is what it gets in the end. */
export interface Calls<Source, Sink, Output> {
  readonly load: Call<EngineInfo, LoadedEngine>;
  /** Reads the file's metadata. Answers what other workers open to see the same, while it is open here. */
  readonly open: Call<{ readonly source: Source; readonly options: OpenOptions }, Source>;
  readonly close: Call<null, void>;
  /** Writes an output from all its parts, and reads it back. No file is open for that. */
  readonly merge: Call<
    Written<Sink> & {
      readonly parts: readonly {
        readonly source: Source;
        readonly segments: readonly Segment[];
        readonly records: Records;
      }[];
      /** Bytes of each file of the output. */
      readonly files: readonly number[];
    },
    Output
  >;
  /** Closes all files. Answers how many bytes of memory the engine has taken. */
  readonly rest: Call<null, number>;
  readonly catalog: Call<null, Json<Catalog>>;
  /** The same, for those who must not wait while it is parsed. */
  readonly partedCatalog: Call<null, Parted<Catalog, 'tensors'>>;
  /** That the file's metadata show. */
  readonly problems: Call<null, Json<readonly Problem[]>>;
  /** Tensors that runtimes make one layer of, by their indices. */
  readonly families: Call<null, Json<readonly (readonly number[])[]>>;
  /** How much the errors of weights of these names count by their places; `table`: what is other than in the default. */
  readonly priors: Call<
    { readonly names: readonly string[]; readonly table: object | null },
    Json<readonly Prior[]>
  >;
  /** For each set of the table the option with which least is lost within the budget. */
  readonly allocate: Call<
    { readonly table: Json<DecisionTable>; readonly budgetBytes: number },
    Json<Allocation>
  >;
  /** All best choices: bytes and error of each, from the smallest. */
  readonly curve: Call<
    Json<DecisionTable>,
    Json<readonly (readonly [bytes: number, error: number])[]>
  >;
  /** Begins a search for a front, instead of one that was begun before. */
  readonly beginSearch: Call<
    { readonly table: Json<SearchTable>; readonly settings: SearchSettings },
    Json<SearchProgress>
  >;
  /** One generation more. */
  readonly stepSearch: Call<null, Json<SearchProgress>>;
  /** Ends the search. */
  readonly endSearch: Call<null, Json<Found>>;
  /** The elements of the tensor of this index, one after the other. */
  readonly tensor: Call<number, Uint8Array>;
  /** What plans use, and `calibrate` adds to, from now on. */
  readonly setCalibration: Call<Json<Calibration> | null, void>;
  /** What stands beside the weights: for plans of GGUF files, from now on. */
  readonly setFolder: Call<SideFolder | undefined, void>;
  /** Adds an open file of captured inputs to the calibration. */
  readonly calibrate: Call<{ readonly data: number; readonly name?: string }, Json<DataProblems>>;
  readonly calibration: Call<null, Json<Calibration> | null>;
  /** Writes the calibration as a file of statistics, from open files of all its data if second moments are wanted. */
  readonly writeStatistics: Call<
    { readonly data: readonly number[]; readonly secondMoments: boolean; readonly sink: Sink },
    Output
  >;
  /** A plan as a whole, which is not kept, and what was known before it. */
  readonly planDocument: Call<
    PlanChoice,
    { readonly plan: Parted<PlanDocument, 'tensors'>; readonly before: readonly Warning[] }
  >;
  /** Chooses by how much layers are rescaled, if they are to be. */
  readonly rescale: Call<PlanChoice, Rescaling | undefined>;
  /** Makes the plan of a run. */
  readonly plan: Call<PlanChoice, void>;
  /** What the run has to know of it. */
  readonly planFacts: Call<null, PlanFacts>;
  /** Of what an earlier run says to have written, that which stands in the output. */
  readonly recheck: Call<Written<Sink> & { readonly done: Records }, Records>;
  /** Writes a share of what was planned and not done yet, and reads most of it back. */
  readonly encode: Call<
    Written<Sink | null> & {
      readonly share: Share;
      readonly done: Records;
      /** Numbers of open files of captured inputs, for methods that need them. */
      readonly inputs: readonly number[];
      /** Where to say what was done; the host's own name for it. */
      readonly journal: string | undefined;
    },
    EncodedShare
  >;
  /** Ends the output when every share was encoded: takes the checksums of all. Answers how many bytes it wrote. */
  readonly seal: Call<readonly Json<Checksums>[], number>;
  /**
   * Opens the output that was sealed under a number of its own, its codes as values. It is open until it is closed, and
   * is of no use once the run is dropped.
   */
  readonly openOutput: Call<{ readonly number: number }, void>;
  /** Reads back this worker's share, once all are written. */
  readonly verify: Call<null, void>;
  /** Compresses one frame of what was verified, and keeps it. Answers how many bytes it has. */
  readonly pack: Call<{ readonly frame: number; readonly level: number }, number>;
  /** Writes the frame that was kept into the compressed output, and reads it back. */
  readonly placePacked: Call<{ readonly sink: Sink; readonly offset: number }, void>;
  /** Ends the compressed output, when all frames have their place. Answers how many bytes it has. */
  readonly endPacked: Call<{ readonly sink: Sink; readonly frames: readonly number[] }, number>;
  /** Makes a file of the part of the output that was encoded. */
  readonly endPart: Call<{ readonly sink: Sink; readonly content: PartContent }, void>;
  /**
   * Compresses a file, whatever it holds; it need not be open. Answers the frame that follows those of so many bytes, and
   * behind the last one the table of all.
   */
  readonly compress: Call<
    { readonly source: Source; readonly frames: readonly number[]; readonly level: number },
    Uint8Array<ArrayBuffer>
  >;
  readonly finish: Call<null, Output>;
  /** Lets go of the plan, and of an output that was not finished. */
  readonly drop: Call<null, void>;
  /** Looks at what is stored as codes, beside a reference if there is one. */
  readonly compare: Call<{ readonly reference: number | undefined }, Json<CompareResult>>;
  /** Counts the values of one tensor, here and in the reference. */
  readonly distribution: Call<
    { readonly reference: number; readonly tensor: string },
    Json<Distribution>
  >;
  /** Which channels and weights make the errors of what is stored as codes; `known`: of the reference's inputs. */
  readonly outliers: Call<
    { readonly reference: number; readonly known: Json<Calibration> | null },
    Json<OutlierResult>
  >;
  /** Executes the quantized layers. */
  readonly trial: Call<
    { readonly reference: number | undefined; readonly data: number | undefined },
    Json<TrialResult>
  >;
}

/** An output, and how large it is as a whole; null: nothing is kept of it. */
interface Written<Sink> {
  readonly sink: Sink;
  /** In bytes. */
  readonly size: number;
}

/** As texts of some thousands, so that none is too long. */
export type Records = readonly Json<readonly BandRecord[]>[];

export interface LoadedEngine {
  readonly info: EngineInfo;
  readonly version: string;
}

/** What a plan is made from, besides the file and its calibration. */
export interface PlanChoice {
  readonly configuration: Configuration;
  /** Whether the output may be several files. */
  readonly divides: boolean;
  /** What an earlier run found in the weights. */
  readonly unfit: readonly UnfitTensor[];
  /** What tensors have each for itself, where a budget has been shared out. */
  readonly mix?: readonly TensorChoices[] | undefined;
  /** By how much layers are rescaled, if that was chosen before. */
  readonly rescaling?: Rescaling | undefined;
}

export interface EncodedShare {
  /** Where there are any, the output is void: plan again with them. */
  readonly unfit: readonly UnfitTensor[];
  /** That were written. */
  readonly bytes: number;
  readonly errors: Table<BandErrors>;
  readonly checksums: Json<Checksums>;
}

/** What was lost in one band of a tensor. */
export interface BandErrors {
  /** Its index in the plan. */
  readonly tensor: number;
  readonly band: number;
  /** Sum of squares, sum of squared errors, largest error. */
  readonly signal: number;
  readonly noise: number;
  readonly peak: number;
  /** Scales at the edge of their dtype. */
  readonly edges: number;
  /** Sum of squares and of squared errors of what its layer computes; 0 and 0 if nothing is known of the inputs. */
  readonly outputSignal: number;
  readonly outputNoise: number;
}

export type Request<Source, Sink> = {
  [Kind in keyof Calls<Source, Sink, unknown>]: {
    readonly kind: Kind;
    readonly id: number;
    /** The number of the file that it is about, if it is about one that is open. */
    readonly file: number;
    readonly wantsProgress: boolean;
    readonly parameters: Calls<Source, Sink, unknown>[Kind]['parameters'];
  };
}[keyof Calls<Source, Sink, unknown>];

/** To a request with the same id: any number of the first, then one of the others. */
export type Reply =
  | {
      readonly kind: 'progress';
      readonly id: number;
      readonly bytes: number;
      readonly totalBytes: number;
      readonly tensor: string;
    }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure };
