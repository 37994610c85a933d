/**
 * What a benchmark has found, in one sentence: the difference first, then how sure it is, then what it costs.
 */
import type { Benchmark, BenchmarkComparison } from '../../api/benchmark.js';
import { formatPlural } from '../format.js';

/** Files that differ by less are as large as each other. */
const SAME_SIZE = 0.005;

export function verdictWords({
  comparisons,
  measure,
}: Pick<Benchmark, 'comparisons' | 'measure'>): string {
  const told = mostTelling(comparisons);
  if (told === undefined) return 'The configurations change no tensor in common.';
  const { pairs, medianDb, lowDb, highDb, wins, losses } = told;
  const what = measure === 'outputs' ? 'outputs of layers' : 'weights';
  const sure = `${signed(medianDb)} dB in the median of ${formatPlural(pairs, 'tensor')} (95 %: ${signed(lowDb)} to ${signed(highDb)}), by the error of ${what}`;
  const counts = `${wins} better, ${losses} worse`;
  return `${outcome(told)}: ${sure}; ${counts}; ${sizeWords(told)}, ${timeWords(told)}.`;
}

/** The one with the best result; of results alike, the largest difference. */
function mostTelling(comparisons: readonly BenchmarkComparison[]): BenchmarkComparison | undefined {
  return [...comparisons].sort((a, b) => rank(b) - rank(a) || b.medianDb - a.medianDb)[0];
}

function rank(comparison: BenchmarkComparison): number {
  const way = wayOf(comparison);
  if (way === 0) return 1;
  if (way < 0) return 0;
  return comparison.bytesRatio <= 1 + SAME_SIZE ? 3 : 2;
}

/**
 * All of `n` values lie to one side of the median of what they were drawn from with the chance 2^(1 - n): 5 layers that
 * agree are no proof at 95 %, 6 are.
 */
const ENOUGH_BLOCKS = 6;

/** 1: surely better, -1: surely worse, 0: nobody can tell. */
export function wayOf({ lowDb, highDb, blocks }: BenchmarkComparison): -1 | 0 | 1 {
  if (blocks < ENOUGH_BLOCKS) return 0;
  return lowDb > 0 ? 1 : highDb < 0 ? -1 : 0;
}

function outcome(comparison: BenchmarkComparison): string {
  const { name, baseline, bytesRatio, blocks } = comparison;
  const way = wayOf(comparison);
  if (blocks < ENOUGH_BLOCKS) {
    return `${formatPlural(blocks, 'layer')} are too few to be sure of ${name} against ${baseline}`;
  }
  if (way === 0) return `No difference between ${name} and ${baseline} can be told`;
  if (way > 0) {
    return bytesRatio > 1 + SAME_SIZE
      ? `${name} is better than ${baseline}, and larger`
      : `${name} beats ${baseline}`;
  }
  return bytesRatio < 1 - SAME_SIZE
    ? `${name} is worse than ${baseline}, and smaller`
    : `${baseline} beats ${name}`;
}

function sizeWords({ bytesRatio }: BenchmarkComparison): string {
  if (Math.abs(bytesRatio - 1) <= SAME_SIZE) return 'the same size';
  const percent = Math.abs(100 * (bytesRatio - 1)).toFixed(1);
  return `${percent} % ${bytesRatio > 1 ? 'more' : 'fewer'} bytes`;
}

function timeWords({ msRatio }: BenchmarkComparison): string {
  return `${msRatio.toFixed(msRatio < 10 ? 1 : 0)} times the time`;
}

/** `+0.35`, `−1.20`. */
export function signed(value: number): string {
  const text = Math.abs(value).toFixed(2);
  return Number(text) === 0 ? '0.00' : `${value < 0 ? '−' : '+'}${text}`;
}
