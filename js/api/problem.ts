/**
 * Something about a quantized file that cannot be as it is.
 * It exists apart because catalogs tell of what does not fit together, and validations of all the rest.
 */

export const PROBLEM_CODES = [
  // The file, or a tensor of it, cannot be read.
  'unreadable',
  // The index of a model of several files says something else than its files.
  'index-mismatch',
  // Its parts do not fit together.
  'missing-scale',
  'missing-shape',
  'missing-input-scale',
  'wrong-shape',
  'leftover-part',
  'name-taken',
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
  // Executed.
  'bad-output',
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
