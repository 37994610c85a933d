/**
 * What two files have in common, tensor by tensor.
 * It exists as the document of `compare`: sizes on disk, differences in names, dtypes and shapes, and of values.
 * Codes are compared as the values that they stand for, under the names of the original tensors.
 */
import type { Dtype, FileFormat, StoredCodes } from './catalog.js';

export const COMPARISON_VERDICTS = [
  /** The same values, bit for bit (of different dtypes: equal numbers). */
  'identical',
  'different',
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
  /** Of the second against the first, in dB; null where nothing differs or nothing can be compared. */
  readonly sqnrDb: number | null;
  /** Largest absolute difference; null where nothing can be compared. */
  readonly maxError: number | null;
  /** Elements that are not equal. */
  readonly differing: number;
}

export interface ComparedFile {
  readonly format: FileFormat;
  readonly bytes: number;
  readonly tensors: number;
  readonly parameters: number;
}

export interface Comparison {
  readonly version: string;
  readonly first: ComparedFile;
  readonly second: ComparedFile;
  /** Mean SQNR of all tensors that differ, weighted by their elements; null: none differs. */
  readonly sqnrDb: number | null;
  /** What differs most comes first; identical tensors last. */
  readonly tensors: readonly TensorComparison[];
}
