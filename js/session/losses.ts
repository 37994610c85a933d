/**
 * Errors of a table from the decibels of reports.
 */
import type { SensitivityCell } from '../api/sensitivity.js';
import type { TensorReport } from '../api/types.js';

/** Null: nothing was lost. */
export function errorOf(sqnrDb: number | null): number {
  return sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10);
}

/** Of what its layer computes where that is known, else of its weights. */
export function lossOf({ error, outputError }: Pick<SensitivityCell, 'error' | 'outputError'>) {
  return outputError ?? error;
}

export function cellOf({ outputBytes, sqnrDb, outputSqnrDb }: TensorReport): SensitivityCell {
  const output = outputSqnrDb === undefined ? {} : { outputError: errorOf(outputSqnrDb) };
  return { bytes: outputBytes, error: errorOf(sqnrDb), ...output };
}
