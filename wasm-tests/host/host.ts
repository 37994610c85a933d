/**
 * What a test needs from the place it runs in, the same in Node and in browsers.
 * It exists so that the tests of contract/ and parity/ are literally the same files everywhere.
 * Models go in as bytes, or as files of a folder, and outputs come out as bytes; nothing is left behind when a call settles.
 */
import type {
  CalibrateOptions,
  Calibration,
  CalibrationInput,
  CompareOptions,
  Comparison,
  ConvertOptions,
  DequantizeOptions,
  Distribution,
  EngineInfo,
  Model,
  MonoquantError,
  OpenOptions,
  PlanOptions,
  QuantizeOptions,
  Report,
  RunOptions,
  Tensors,
  ValidateOptions,
  Validation,
  Warning,
} from '#package';

export type Bytes = Uint8Array<ArrayBuffer>;

/** A run that succeeded. */
export interface Outcome {
  readonly report: Report;
  readonly warnings: readonly Warning[];
  readonly output: Bytes;
}

/** Options that mean the same in every host. */
export type AnyOptions = PlanOptions &
  OpenOptions &
  RunOptions &
  Pick<QuantizeOptions, 'failUnder' | 'strict'>;

export type AnyConvertOptions = Omit<ConvertOptions, 'output' | 'force'>;

export type AnyDequantizeOptions = Omit<DequantizeOptions, 'output' | 'force'>;

export interface DataFile {
  readonly name: string;
  readonly bytes: Bytes;
}

/** One file, or all that is in a folder. */
export type AnyModel = Bytes | readonly DataFile[];

/** What an open model has in every host. */
export type PlannedModel = Tensors & Pick<Model, 'plan'>;

/** An open model, whose calls take and give bytes. */
export interface AnyHandle
  extends Pick<Model, 'catalog' | 'plan' | 'tensor' | 'calibrate' | 'close'> {
  quantize(options?: AnyOptions): Promise<Outcome>;
  /** `file`: one that was made from the model. */
  validate(file?: Bytes, options?: RunOptions): Promise<Validation>;
  compare(other: Bytes, options?: CompareOptions): Promise<Comparison>;
  distribution(other: Bytes, tensor: string, options?: CompareOptions): Promise<Distribution>;
}

export interface EngineChoice {
  readonly run: Pick<RunOptions, 'threads' | 'engine'>;
  readonly engine: EngineInfo;
}

export interface Host {
  /** As the package exports them. */
  readonly MonoquantError: typeof MonoquantError;
  readonly version: () => string;
  /** A file of the checkout, by its address from the root, as `import.meta.glob` gives it. */
  readFile(address: string): Promise<Bytes>;
  open(model: AnyModel, options?: OpenOptions & RunOptions): Promise<PlannedModel>;
  /** Opens a model for the time of `use`, and closes it where that has not. */
  withHandle<Result>(
    model: AnyModel,
    options: OpenOptions & RunOptions,
    use: (handle: AnyHandle) => Promise<Result>,
  ): Promise<Result>;
  quantize(model: AnyModel, options?: AnyOptions): Promise<Outcome>;
  convert(model: AnyModel, options?: AnyConvertOptions): Promise<Outcome>;
  dequantize(model: AnyModel, options?: AnyDequantizeOptions): Promise<Outcome>;
  load(model: AnyModel, options?: OpenOptions & RunOptions): Promise<Tensors>;
  compare(first: AnyModel, second: AnyModel, options?: CompareOptions): Promise<Comparison>;
  distribution(
    first: AnyModel,
    second: AnyModel,
    tensor: string,
    options?: CompareOptions,
  ): Promise<Distribution>;
  /** `reference`: the model that the file was made from. */
  validate(file: AnyModel, options?: ValidateOptions<AnyModel>): Promise<Validation>;
  /** Quantizes, and has the result validate and dequantize itself. */
  checkedResult(
    model: AnyModel,
    options?: AnyOptions,
  ): Promise<{ readonly validation: Validation; readonly values: Bytes }>;
  calibrate(
    model: AnyModel,
    data: CalibrationInput | readonly CalibrationInput[],
    options?: CalibrateOptions,
  ): Promise<Calibration>;
  /** Calls `use` with files as this host names them. */
  withData<Result>(
    files: readonly DataFile[],
    use: (inputs: readonly CalibrationInput[]) => Promise<Result>,
  ): Promise<Result>;
  /** Outputs, finished or not, that are somewhere although no result is open. */
  leftovers(): Promise<readonly string[]>;
  /** Ways to ask for an engine, each with the one that answers here. */
  readonly engines: readonly EngineChoice[];
}
