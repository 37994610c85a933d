/**
 * Whether a quantized file is what it should be.
 * It exists as the document of `validate`.
 * A file is valid when there is no problem; warnings do not make it invalid.
 */
import type { StoredCodes } from './catalog.js';

export const PROBLEM_CODES = [
  // The file cannot be read.
  'unreadable',
  // Its parts do not fit together.
  'missing-scale',
  'missing-shape',
  'missing-input-scale',
  'wrong-shape',
  'leftover-part',
  'config-invalid',
  'config-mismatch',
  'not-quantized',
  // Its codes, scales and zero points.
  'bad-scale',
  'negative-scale',
  'bad-zero-point',
  'bad-code',
  // Beside the reference.
  'missing-tensor',
  'extra-tensor',
  'reference-mismatch',
  'changed-tensor',
  'wrong-code',
  // The gate.
  'low-quality',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** Something that cannot be as it is. */
export interface Problem {
  readonly code: ProblemCode;
  /** One sentence: what was expected, what was found. */
  readonly message: string;
  /** The tensor that it is about; empty for the whole file. */
  readonly tensor: string;
}

export interface ValidatedTensor {
  readonly name: string;
  readonly elements: number;
  readonly quantization: StoredCodes;
  /** Against the reference; null where there is none, or where nothing was lost. */
  readonly sqnrDb: number | null;
  readonly maxError: number | null;
}

export interface Validation {
  readonly version: string;
  readonly valid: boolean;
  readonly problems: readonly Problem[];
  /** Whether values were compared with those of a reference. */
  readonly hasReference: boolean;
  /** Mean SQNR in dB of the quantized tensors, weighted by their elements. */
  readonly sqnrDb: number | null;
  /** Those that are quantized, worst first. */
  readonly tensors: readonly ValidatedTensor[];
}
