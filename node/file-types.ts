/**
 * What callers see in Node: models are named by paths, and results are files.
 */
import type { ModelTypes } from '../js/api/model.js';
import type {
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
  /** The file of weights that was written; undefined where no output was named. */
  readonly output: string | undefined;
  /** Checks the output, by default with the model that it was made from as reference. */
  validate(options?: ValidateOptions<string | URL>): Promise<Validation>;
  /** Writes the output's quantized tensors as floats again. */
  dequantize(options?: DequantizeOptions): Promise<QuantizeResult>;
  /**
   * Writes the result to a file, of the kind that its ending says, or to a folder, with all that stands beside the
   * model: whole, or not at all.
   */
  save(path: string | URL, options?: SaveOptions): Promise<void>;
  /** Removes what was not saved. A result that was written to `output` stays. */
  close(): Promise<void>;
}

export interface FileTypes extends ModelTypes {
  named: string | URL;
  quantize: QuantizeOptions;
  convert: ConvertOptions;
  dequantize: DequantizeOptions;
  result: QuantizeResult;
}
