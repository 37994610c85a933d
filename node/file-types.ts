/**
 * What callers see in Node: models are named by paths, and results are files.
 */
import type { AnyBlob, AnyStream } from '../js/api/host-types.js';
import type { ModelTypes } from '../js/api/model.js';
import type {
  CalibrateFileOptions,
  ConvertOptions,
  DequantizeOptions,
  QuantizeOptions,
  ValidateOptions,
} from '../js/api/options.js';
import type { Report, Validation, Warning } from '../js/api/types.js';

export interface SaveOptions {
  /** Overwrite an existing file. */
  readonly force?: boolean;
}

export interface QuantizeResult {
  readonly report: Report;
  /** Those of the report. */
  readonly warnings: readonly Warning[];
  /** The file of weights that was written, or the index of several; undefined where no output was named. */
  readonly output: string | undefined;
  /** Checks the output, by default with the model that it was made from as reference. */
  validate(options?: ValidateOptions<ModelSource>): Promise<Validation>;
  /** Writes the output's quantized tensors as floats again. */
  dequantize(options?: DequantizeOptions): Promise<QuantizeResult>;
  /**
   * Writes the result to a file, of the kind that its ending says, or to a folder, with all that stands beside the
   * model: whole, or not at all.
   */
  save(path: string | URL, options?: SaveOptions): Promise<void>;
  /** The file, read into memory. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /** The file, read into memory. */
  blob(): Promise<AnyBlob>;
  /** The file, piece by piece; to be read before close(). */
  stream(): AnyStream;
  /** Removes what was not saved. A result that was written to `output` stays. */
  close(): Promise<void>;
  /** The same, at the end of a block that began with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A `FileHandle` of `node:fs/promises`, or what has the descriptor of an open file. It stays open. */
export interface OpenedFile {
  readonly fd: number;
}

/**
 * The path or the URL (file:, http: or https:) of a file, of a folder with one model in it, or of the index of a model in
 * several files; or the content of a file. What is in memory is written to a temporary file, an open file is read where
 * it is, and of what is behind a URL only the parts that are needed.
 */
export type ModelSource = string | URL | Uint8Array | ArrayBuffer | AnyBlob | OpenedFile;

export interface FileTypes extends ModelTypes {
  named: ModelSource;
  quantize: QuantizeOptions;
  convert: ConvertOptions;
  dequantize: DequantizeOptions;
  calibrate: CalibrateFileOptions;
  result: QuantizeResult;
}
