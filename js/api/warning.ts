/**
 * What somebody should know although the work is done.
 * It exists apart because calibrations, plans and reports all carry warnings.
 * Every message says what to do.
 */

export const WARNINGS = [
  'everything-quantized',
  'mostly-unquantized',
  'ignore-unmatched',
  'group-fallback',
  'siblings-split',
  'low-sqnr',
  'very-low-sqnr',
  'sensitive-4-bit',
  'scale-edge',
  'non-finite',
  'overflow',
  'already-quantized',
  'activation-scheme',
  'not-loadable',
  'dropped',
  'left-out',
  'pickle-dangerous',
  'pickle-unknown',
  'opaque-part',
  'not-pruned',
  'not-folded',
  'not-rescaled',
  'rescaled',
  'calibration-small',
  'calibration-unmatched',
  'calibration-missing',
  'calibration-nan',
  'calibration-lossy',
] as const;
export type WarningCode = (typeof WARNINGS)[number];

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  /** The tensors that it speaks of, at most the first twenty. */
  readonly tensors: readonly string[];
  /** How many it speaks of in all. */
  readonly total: number;
}

const NAMES_IN_WARNING = 20;

/** About the tensors of these names; none if there are no names. */
export function warningOf(code: WarningCode, message: string, names: readonly string[]): Warning[] {
  if (names.length === 0) return [];
  return [{ code, message, tensors: names.slice(0, NAMES_IN_WARNING), total: names.length }];
}
