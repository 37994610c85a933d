/**
 * What callers see in browsers: models are Files and Blobs, and so are results.
 */
import type { AnyBlob, AnyFile, AnyStream } from '../../js/api/host-types.js';
import type { ModelTypes } from '../../js/api/model.js';
import type {
  ConvertOptions as AnyConvertOptions,
  DequantizeOptions as AnyDequantizeOptions,
  QuantizeOptions as AnyQuantizeOptions,
  ValidateOptions as AnyValidateOptions,
  CalibrateOptions,
} from '../../js/api/options.js';
import type { Report, Validation, Warning } from '../../js/api/types.js';

/** A file that its owner reads. */
export interface ReadableFile {
  readonly name: string;
  /** In bytes; does not change. */
  readonly size: number;
  /**
   * Just these bytes, at most 4 MiB as a rule; they are the caller's then. Several reads may be under way at once.
   * What it rejects with is told as `read-failed`, unless it is a MonoquantError.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Rejects if what was read may be a mixture of two versions. */
  checkUnchanged?(): Promise<void>;
}

/** One File or Blob, or several Files: those of one model, or all that is in its folder. Or what its owner reads. */
export type ModelSource = AnyBlob | ReadableFile | readonly (AnyFile | ReadableFile)[];

/** Those of Node without the ones that speak of paths. */
export type QuantizeOptions = Omit<AnyQuantizeOptions, 'output' | 'force'>;
export type ConvertOptions = Omit<AnyConvertOptions, 'output' | 'force'>;
export type DequantizeOptions = Omit<AnyDequantizeOptions, 'output' | 'force'>;
export type ValidateOptions = AnyValidateOptions<ModelSource>;

export interface QuantizeResult {
  readonly report: Report;
  /** Those of the report. */
  readonly warnings: readonly Warning[];
  /** Checks the output, by default with the model that it was made from as reference. */
  validate(options?: ValidateOptions): Promise<Validation>;
  /** Writes the output's quantized tensors as floats again. */
  dequantize(options?: DequantizeOptions): Promise<QuantizeResult>;
  /** The output file. Large ones are on disk, and readable until close(). */
  blob(): AnyBlob;
  /** The output file, read into memory. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** The output file, piece by piece; to be read before close(). */
  stream(): AnyStream;
  /** Removes the output from where it was kept; what was saved from it stays. */
  close(): Promise<void>;
  /** The same, at the end of a block that began with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface BlobTypes extends ModelTypes {
  named: ModelSource;
  quantize: QuantizeOptions;
  convert: ConvertOptions;
  dequantize: DequantizeOptions;
  calibrate: CalibrateOptions;
  result: QuantizeResult;
}
