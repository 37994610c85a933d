/**
 * What is said of a front: what it is worth beside the hull, which of its points are shown, and how well a table has
 * told what encoding shows.
 */
import type { FrontAgreement, FrontGain, FrontPoint } from '../api/front.js';

/** How much less points lose than what needs no search has at the same bytes. */
export function gainOf(
  points: readonly Pick<FrontPoint, 'number' | 'error' | 'hullError'>[],
): FrontGain | undefined {
  const gains = points.map(({ number, error, hullError }) => ({
    number,
    percent: hullError > 0 ? 100 * (1 - error / hullError) : 0,
  }));
  const [first] = gains;
  if (first === undefined) return undefined;
  const largest = gains.reduce((most, each) => (each.percent > most.percent ? each : most), first);
  return {
    meanPercent: gains.reduce((sum, { percent }) => sum + percent, 0) / gains.length,
    largestPercent: largest.percent,
    number: largest.number,
  };
}

/** Indices of so many points at even distances in the front, with both ends and those that `isWanted`. */
export function shownOf(
  count: number,
  most: number,
  isWanted: (index: number) => boolean,
): readonly number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  const chosen = new Set(
    all.filter((index) => isWanted(index) || index === 0 || index === count - 1),
  );
  const steps = Math.max(1, most - chosen.size + 1);
  for (let step = 1; step < steps; step++) {
    const target = ((count - 1) * step) / steps;
    const [nearest] = all
      .filter((index) => !chosen.has(index))
      .sort((a, b) => Math.abs(a - target) - Math.abs(b - target));
    if (nearest !== undefined) chosen.add(nearest);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** Of the points that were measured. */
export function agreementOf(points: readonly FrontPoint[]): FrontAgreement | undefined {
  const known = points.flatMap(({ bytes, error, measured }) =>
    measured === undefined ? [] : [{ bytes, error, measured }],
  );
  if (known.length === 0) return undefined;
  const executed = known.flatMap(({ error, measured: { outputError } }) =>
    outputError === undefined ? [] : [{ error, outputError }],
  );
  return {
    points: known.length,
    spearman: rankCorrelation(
      known.map(({ error }) => error),
      known.map(({ measured }) => measured.error),
    ),
    ...(executed.length > 0 && {
      outputSpearman: rankCorrelation(
        executed.map(({ error }) => error),
        executed.map(({ outputError }) => outputError),
      ),
    }),
    bytesDiffer: Math.max(...known.map(({ bytes, measured }) => Math.abs(measured.bytes - bytes))),
  };
}

/** Spearman's: Pearson's of ranks, equal values sharing the mean of theirs. Null of fewer than three, or if all are equal. */
export function rankCorrelation(
  first: readonly number[],
  second: readonly number[],
): number | null {
  const [a, b] = [ranksOf(first), ranksOf(second)];
  const mean = (a.length + 1) / 2;
  const product = (one: readonly number[], other: readonly number[]) =>
    one.reduce((sum, rank, index) => sum + (rank - mean) * ((other[index] ?? mean) - mean), 0);
  const width = Math.sqrt(product(a, a) * product(b, b));
  return a.length < 3 || width === 0 ? null : product(a, b) / width;
}

function ranksOf(values: readonly number[]): readonly number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}
