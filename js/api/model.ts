/**
 * An open model as callers see it: one engine, in a worker of its own, for all that is done with the model.
 * Calls run one after the other, in the order in which they were made. Aborting one ends its worker at once: the next
 * call begins with a new one. It holds the worker until `close`, but never keeps the process alive.
 */
import './disposal.js';
import type { CalibrationInput } from './calibration.js';
import type { Front } from './front.js';
import type { CalibrateOptions, CompareOptions, ValidateOptions } from './options.js';
import type { PlanOptions } from './plan-options.js';
import type { SearchOptions } from './search-options.js';
import type { Sensitivity } from './sensitivity.js';
import type { SensitivityOptions } from './sensitivity-options.js';
import type { SizeCurve } from './size-curve.js';
import type { TensorData } from './tensor-data.js';
import type { Calibration, Catalog, Comparison, Distribution, Plan, Validation } from './types.js';

/** The tensors of a file, read when they are asked for. */
export interface Tensors {
  /** What is in the file. */
  readonly catalog: Catalog;
  /** The content of one tensor; its values if it is stored as codes and the file was opened by `load`. */
  tensor(name: string): Promise<TensorData>;
  /** All tensors in the order of the file, one at a time. */
  [Symbol.asyncIterator](): AsyncIterator<TensorData>;
  /** Of all tensors, in the order of the file. */
  readonly names: readonly string[];
  has(name: string): boolean;
  /** Ends what is under way: such calls fail with `aborted`, and so do all later ones. */
  close(): Promise<void>;
  /** The same, at the end of a block that began with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a host names files, what it can be asked for there, and what comes out. */
export interface ModelTypes {
  named: unknown;
  quantize: object;
  convert: object;
  dequantize: object;
  calibrate: CalibrateOptions;
  result: unknown;
}

/**
 * Its calls have the options of the functions of the same name. What `open` was given (`key`, `stripPrefix`, `threads`,
 * `engine`) holds for all of them; asking for something else is an error.
 */
export interface ModelOf<Types extends ModelTypes> extends Tensors {
  /** What `quantize` with these options would do. Reads nothing but metadata. */
  plan(options?: PlanOptions): Promise<Plan>;
  quantize(options?: Types['quantize']): Promise<Types['result']>;
  convert(options?: Types['convert']): Promise<Types['result']>;
  dequantize(options?: Types['dequantize']): Promise<Types['result']>;
  /** Reads captured inputs of its layers. */
  calibrate(
    data: CalibrationInput | readonly CalibrationInput[],
    options?: Types['calibrate'],
  ): Promise<Calibration>;
  /**
   * Checks the model, a quantized file. With `file`, that file is checked instead, with this model as the reference
   * that it was made from.
   */
  validate(
    options?: ValidateOptions<Types['named']> & { readonly file?: Types['named'] },
  ): Promise<Validation>;
  /** What each tensor would lose, and take, under each of several settings. Encodes it as often, and keeps nothing. */
  sensitivity(options?: SensitivityOptions): Promise<Sensitivity>;
  /** The same table as sizes of the output against what is lost, for each setting and for the best mixes of them. */
  sizeCurve(options?: SensitivityOptions): Promise<SizeCurve>;
  /** The best choices of bits for every size. Encodes it once a setting, and the points that are shown. */
  search(options?: SearchOptions): Promise<Front>;
  /** Compares `other` with it. */
  compare(other: Types['named'], options?: CompareOptions): Promise<Comparison>;
  /** Counts the values of one tensor, here and in what was made from it. */
  distribution(
    other: Types['named'],
    tensor: string,
    options?: CompareOptions,
  ): Promise<Distribution>;
}
