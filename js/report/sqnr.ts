/**
 * The signal to quantization noise ratio, in dB: one formula, one mean, one order and one rule of what is enough for
 * reports, comparisons and validations.
 */
import type { Quality } from '../api/types.js';

/** Of tensors below the first, a few bits survive; of those below the second hardly any. */
export const LOW_SQNR_DB = 20;
export const VERY_LOW_SQNR_DB = 10;

/**
 * Of a sum of squares and a sum of squared errors; null if there is no error. An error without any signal gives the
 * worst finite number: JSON has no infinity.
 */
export function sqnrOf({
  signal = 0,
  noise = 0,
}: {
  readonly signal?: number;
  readonly noise?: number;
}): number | null {
  return noise === 0 ? null : 10 * Math.log10(Math.max(signal, Number.MIN_VALUE) / noise);
}

interface Rated {
  readonly sqnrDb: number | null;
}

/** For sorting: no error at all comes after every number. */
export function worstFirst(a: Rated, b: Rated): number {
  return (a.sqnrDb ?? Number.MAX_VALUE) - (b.sqnrDb ?? Number.MAX_VALUE);
}

/** Of the tensors that lost anything, weighted by their elements; null if none did. */
export function meanSqnr(tensors: readonly (Rated & { readonly elements: number })[]) {
  let sum = 0;
  let elements = 0;
  for (const tensor of tensors) {
    if (tensor.sqnrDb === null) continue;
    sum += tensor.sqnrDb * tensor.elements;
    elements += tensor.elements;
  }
  return elements === 0 ? null : sum / elements;
}

export function qualityOf({ sqnrDb }: Rated): Quality {
  if (sqnrDb === null || sqnrDb >= LOW_SQNR_DB) return 'good';
  return sqnrDb >= VERY_LOW_SQNR_DB ? 'low' : 'very-low';
}

/** Two digits, so that 19.96 is not shown as 20.0 next to "below 20". */
export function decibels(sqnrDb: number | null): string {
  return sqnrDb === null ? 'no error' : `${sqnrDb.toFixed(2)} dB`;
}

/** The message if less is left than was asked for; undefined if it is enough. */
export function tooLow({ sqnrDb }: Rated, failUnder: number | undefined): string | undefined {
  if (failUnder === undefined || sqnrDb === null || sqnrDb >= failUnder) return undefined;
  return `Expected an SQNR of at least ${failUnder} dB, found ${decibels(sqnrDb)}.`;
}
