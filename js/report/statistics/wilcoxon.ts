/**
 * Wilcoxon's signed-rank test of paired differences: whether they lie to one side of zero, by ranks alone.
 * Differences of zero say nothing and are left out; equal ones share the mean of their ranks. Up to 50 of them the
 * distribution is counted out, ties included; above that it is taken for normal, with the variance that ties leave.
 */

/** Counting takes the cube of it. */
const MOST_COUNTED = 50;

export interface SignedRanks {
  /** Differences that are not zero. */
  readonly count: number;
  /** Sums of the ranks of positive and of negative differences. */
  readonly positive: number;
  readonly negative: number;
  /** Of sums this far apart or farther, to either side, if the sign of each difference were a coin's. */
  readonly p: number;
  /** From -1, all are negative, to 1, all are positive: the matched-pairs rank-biserial correlation. */
  readonly effect: number;
}

export function signedRanks(differences: readonly number[]): SignedRanks {
  const kept = differences.filter((difference) => difference !== 0);
  const ranks = doubledRanks(kept.map(Math.abs));
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const positive = ranks.reduce((sum, rank, i) => ((kept[i] ?? 0) > 0 ? sum + rank : sum), 0);
  const count = kept.length;
  const p = count <= MOST_COUNTED ? countedP(ranks, positive) : normalP(ranks, positive);
  return {
    count,
    positive: positive / 2,
    negative: (total - positive) / 2,
    p: count === 0 ? 1 : p,
    effect: total === 0 ? 0 : (2 * positive - total) / total,
  };
}

/** Twice the rank of each, so that means of ranks are whole numbers. */
function doubledRanks(sizes: readonly number[]): readonly number[] {
  const order = sizes.map((_, index) => index).sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0));
  const ranks = new Array<number>(sizes.length).fill(0);
  for (let begin = 0; begin < order.length; ) {
    let end = begin + 1;
    while (end < order.length && sizes[order[end] ?? 0] === sizes[order[begin] ?? 0]) end++;
    // Ranks begin + 1 up to end.
    for (const index of order.slice(begin, end)) ranks[index] = begin + 1 + end;
    begin = end;
  }
  return ranks;
}

/** Each difference may have either sign: the chance of every sum, one difference after the other. */
function countedP(ranks: readonly number[], positive: number): number {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  let chances = new Float64Array(total + 1);
  chances[0] = 1;
  for (const rank of ranks) {
    const next = new Float64Array(total + 1);
    for (let sum = 0; sum <= total; sum++) {
      next[sum] = ((chances[sum] ?? 0) + (sum < rank ? 0 : (chances[sum - rank] ?? 0))) / 2;
    }
    chances = next;
  }
  const below = chances.slice(0, positive + 1).reduce((sum, chance) => sum + chance, 0);
  const above = chances.slice(positive).reduce((sum, chance) => sum + chance, 0);
  return Math.min(1, 2 * Math.min(below, above));
}

function normalP(ranks: readonly number[], positive: number): number {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  // Of a coin for each rank r the variance is r² / 4; ties are in it.
  const variance = ranks.reduce((sum, rank) => sum + (rank * rank) / 4, 0);
  const z = Math.abs(positive - total / 2) / Math.sqrt(variance);
  return complementaryError(z / Math.SQRT2);
}

/** Where the continued fraction takes over. */
const LARGE = 2;
const STEPS = 80;

/** 2 / √π times the integral of exp(-t²) from `x` (not below 0) on. */
export function complementaryError(x: number): number {
  const bell = Math.exp(-x * x);
  if (x < LARGE) {
    // erf(x) = 2 / √π · exp(-x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 · … · (2n + 1))
    let term = x;
    let sum = x;
    for (let n = 1; n <= STEPS; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * bell * sum;
  }
  // erfc(x) = exp(-x²) / √π · 1 / (x + ½ / (x + 1 / (x + 3⁄2 / (x + …))))
  let rest = x;
  for (let n = STEPS; n >= 1; n--) rest = x + n / 2 / rest;
  return bell / (Math.sqrt(Math.PI) * rest);
}
