/**
 * The signal to quantization noise ratio, in dB: one formula, one mean, one order and one rule of what is enough for
 * reports, comparisons and validations.
 */
import type { Quality, TensorReport } from '../api/types.js';

type Stored = Pick<TensorReport, 'quantization'>;

/**
 * Below this a tensor lost more than is usual. Weights of trained models have 32 to 48 dB with 8 bits and, if they are
 * no worse than others, 16 to 24 with 4; each bit less costs 6, and half of that is a search's to win.
 */
export function lowSqnrDb({ quantization }: Stored): number {
  return Math.min(20, 5 * ((quantization?.bits ?? 8) - 1));
}

/** Below this hardly anything of a tensor is left. */
export function veryLowSqnrDb({ quantization }: Stored): number {
  return Math.min(10, 5 * ((quantization?.bits ?? 8) - 2));
}

/** Of noise without a signal, and of infinite noise: less than that of any two numbers. JSON has no infinity. */
export const LOWEST_SQNR_DB = -3240;

/**
 * Of a sum of squares and a sum of squared errors, as `quant/error_sums.h` has it: null if there is no error.
 * `notFinite` are elements that are NaN or infinite on one side only: no number is as far off.
 */
export function sqnrOf({
  signal = 0,
  noise = 0,
  notFinite = 0,
}: {
  readonly signal?: number;
  readonly noise?: number;
  readonly notFinite?: number;
}): number | null {
  if (notFinite > 0) return LOWEST_SQNR_DB;
  if (noise === 0) return null;
  const ratio = Math.min(signal / noise, Number.MAX_VALUE);
  return ratio > 0 ? 10 * Math.log10(ratio) : LOWEST_SQNR_DB;
}

interface Rated {
  readonly sqnrDb: number | null;
  /** Of what its layer computes, if that is known: then it is what counts. */
  readonly outputSqnrDb?: number | null;
}

/** The number that a tensor is judged by. */
function countedSqnr({ sqnrDb, outputSqnrDb = sqnrDb }: Rated): number | null {
  return outputSqnrDb;
}

/** `17.20 dB`, `26.90 dB of its output`. */
export function countedWords(tensor: Rated): string {
  const of = tensor.outputSqnrDb === undefined ? '' : ' of its output';
  return decibels(countedSqnr(tensor)) + of;
}

/** For sorting: no error at all comes after every number. */
export function worstFirst(a: Rated, b: Rated): number {
  return (countedSqnr(a) ?? Number.MAX_VALUE) - (countedSqnr(b) ?? Number.MAX_VALUE);
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

export function qualityOf(tensor: Rated & Pick<TensorReport, 'quantization'>): Quality {
  const sqnrDb = countedSqnr(tensor);
  if (sqnrDb === null || sqnrDb >= lowSqnrDb(tensor)) return 'good';
  return sqnrDb >= veryLowSqnrDb(tensor) ? 'low' : 'very-low';
}

/** Two digits, so that 19.96 is not shown as 20.0 next to "below 20". */
export function decibels(sqnrDb: number | null): string {
  return sqnrDb === null ? 'no error' : `${sqnrDb.toFixed(2)} dB`;
}

/** A tensor that has to be good enough. */
export interface Judged extends Rated {
  readonly name: string;
  /** Why nobody knows what it lost, as it goes on after its name: `is only in the first file`. */
  readonly unmeasured?: string | undefined;
}

/** A tensor that is not, or that there is none at all. */
export interface Shortfall {
  /** A sentence without its full stop. */
  readonly words: string;
  /** Empty: there is none. */
  readonly tensor: string;
  readonly sqnrDb: number | null;
}

/**
 * What keeps `tensors` from having at least `failUnder` dB, each of them: those that have less, and those that were not
 * measured. Where there is nothing to measure, that. In the order of `tensors`.
 */
export function shortfalls(
  tensors: readonly Judged[],
  failUnder: number | undefined,
): readonly Shortfall[] {
  if (failUnder === undefined) return [];
  const wanted = `Expected an SQNR of at least ${failUnder} dB in each tensor`;
  if (tensors.length === 0) {
    return [{ words: `${wanted}, found none to measure`, tensor: '', sqnrDb: null }];
  }
  return tensors.flatMap((tensor): Shortfall[] => {
    const { name, unmeasured } = tensor;
    const sqnrDb = countedSqnr(tensor);
    if (unmeasured !== undefined) {
      return [{ words: `${wanted}, but "${name}" ${unmeasured}`, tensor: name, sqnrDb: null }];
    }
    if (sqnrDb === null || sqnrDb >= failUnder) return [];
    return [
      { words: `${wanted}, found ${countedWords(tensor)} in "${name}"`, tensor: name, sqnrDb },
    ];
  });
}
