/**
 * What two files have in common, tensor by tensor.
 * It exists as the document of `compare`: sizes on disk, differences in names, dtypes and shapes, and of values.
 * Codes are compared as the values that they stand for, under the names of the original tensors.
 */
import type { Dtype, FileFormat, LeftOut, StoredCodes } from './catalog.js';
import type { Warning } from './warning.js';

export const COMPARISON_VERDICTS = [
  /** The same values, bit for bit (of different dtypes: equal numbers). */
  'identical',
  'different',
  /** Biases of one file that make up for the errors of codes, as a note in it says: they are meant to differ. */
  'corrected',
  'only-first',
  'only-second',
  /** Other shapes: nothing to compare. */
  'other-shape',
  /** Other dtypes of which one is no float: nothing to compare. */
  'other-dtype',
] as const;
export type ComparisonVerdict = (typeof COMPARISON_VERDICTS)[number];

/** A tensor as one of the files has it. */
export interface ComparedTensor {
  /** Of codes: that of their values, F32. */
  readonly dtype: Dtype;
  readonly quantization?: StoredCodes;
  readonly shape: readonly number[];
  /** In the file, scales and zero points included. */
  readonly bytes: number;
}

export interface TensorComparison {
  readonly name: string;
  readonly verdict: ComparisonVerdict;
  readonly elements: number;
  readonly first?: ComparedTensor;
  readonly second?: ComparedTensor;
  /**
   * Of the second against the first, in dB; null where nothing differs or nothing can be compared. As low as there is
   * (-3240) where something is NaN or infinite in one file only, or stands where the first file has nothing but zeros.
   */
  readonly sqnrDb: number | null;
  /** Largest absolute difference of finite values; null where nothing can be compared. */
  readonly maxError: number | null;
  /** Elements that are not equal. */
  readonly differing: number;
  /** Of these, the ones that are NaN or infinite in one file and not alike in the other. */
  readonly notFinite: number;
}

export interface ComparedFile {
  readonly format: FileFormat;
  /** Of the file, and of the tensors that were taken from it. */
  readonly bytes: number;
  readonly tensorBytes: number;
  readonly tensors: number;
  readonly parameters: number;
  /** Tensors of it that cannot be read, and so are not compared. */
  readonly lost: readonly LeftOut[];
}

export interface Comparison {
  readonly version: string;
  readonly first: ComparedFile;
  readonly second: ComparedFile;
  /** Mean SQNR of all tensors that were compared and differ, weighted by their elements; null: of these none differs. */
  readonly sqnrDb: number | null;
  /** How many tensors were compared. The others are only in one file, or of another shape or type. */
  readonly compared: number;
  /** What differs most comes first; identical tensors last. */
  readonly tensors: readonly TensorComparison[];
  /** About what is lost of either file. */
  readonly warnings: readonly Warning[];
}
