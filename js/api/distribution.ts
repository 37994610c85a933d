/**
 * What quantizing did to the values of one tensor, counted in bins.
 * It exists as the document of `distribution`: what a chart of weights before and after, and of errors, is drawn from.
 * Counts are exact and of fixed number, whatever the tensor's size, and the same in every host.
 */

/**
 * From `low` to `high` in 128 equal bins: a value lies in that of number floor((value - low) * 128 / (high - low)),
 * computed in doubles; the last bin has `high`, too. Where `low` is `high`, the first bin has all values.
 */
export interface ValueRange {
  readonly low: number;
  readonly high: number;
}

export interface Distribution {
  readonly tensor: string;
  readonly elements: number;
  /** Elements that are NaN or infinite (as f32) in one of the files or in both: they are in no count. */
  readonly notFinite: number;
  /** Smallest and largest value of both files; both 0 where there are none. */
  readonly weights: ValueRange;
  /** How many values of the first file are in each bin of `weights`. */
  readonly before: readonly number[];
  /** The same of the second file; codes are the values that they stand for. */
  readonly after: readonly number[];
  /** Values of the second file less those of the first, from minus the largest error to plus the largest. */
  readonly error: ValueRange & { readonly counts: readonly number[] };
}
