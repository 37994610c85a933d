/**
 * From what configurations have lost, tensor by tensor, to how they compare.
 * It exists so that a difference is told with how sure it is: medians with intervals, wins and losses, and a test that
 * asks for no distribution. Numbers do not depend on the order of tensors, nor on the machine.
 */
import type {
  BenchmarkComparison,
  BenchmarkMeasure,
  BenchmarkRow,
  BenchmarkTensor,
} from '../api/benchmark.js';
import { median, medianInterval } from './statistics/bootstrap.js';
import { signedRanks } from './statistics/wilcoxon.js';

/** Less than this is no difference to anybody. */
const TIE_DB = 0.01;

/** Outputs count if they are known everywhere: methods that use data trade the error of weights for theirs. */
export function measureOf(rows: readonly BenchmarkRow[]): BenchmarkMeasure {
  const knows = (row: BenchmarkRow) =>
    row.tensors.some(({ outputSqnrDb }) => outputSqnrDb !== undefined);
  return rows.every(knows) ? 'outputs' : 'weights';
}

/** Each row with the first. */
export function comparisonsOf(
  rows: readonly BenchmarkRow[],
  measure: BenchmarkMeasure,
  seed: number,
): readonly BenchmarkComparison[] {
  const [baseline, ...others] = rows;
  if (baseline === undefined) return [];
  const found = others.flatMap((row) => compared(baseline, row, measure, seed) ?? []);
  const corrected = holm(found.map(({ p }) => p));
  return found.map((comparison, index) => ({ ...comparison, p: corrected[index] ?? 1 }));
}

interface Pair {
  readonly name: string;
  readonly elements: number;
  readonly db: number;
}

/** Undefined if they have no tensor in common. */
function compared(
  baseline: BenchmarkRow,
  row: BenchmarkRow,
  measure: BenchmarkMeasure,
  seed: number,
): BenchmarkComparison | undefined {
  const { pairs, unpaired } = pairsOf(baseline.tensors, row.tensors, measure);
  if (pairs.length === 0) return undefined;
  const differences = pairs.map(({ db }) => db);
  const blocks = blocksOf(pairs);
  const { low, high } = medianInterval(blocks, seed);
  const elements = pairs.reduce((sum, pair) => sum + pair.elements, 0);
  const wins = differences.filter((db) => db >= TIE_DB).length;
  const losses = differences.filter((db) => db <= -TIE_DB).length;
  const worst = pairs.reduce((least, pair) => (pair.db < least.db ? pair : least));
  const { p, effect } = signedRanks(differences);
  return {
    baseline: baseline.name,
    name: row.name,
    pairs: pairs.length,
    blocks: blocks.length,
    unpaired,
    medianDb: median(differences),
    lowDb: low,
    highDb: high,
    meanDb: pairs.reduce((sum, pair) => sum + pair.db * (pair.elements / elements), 0),
    wins,
    losses,
    ties: pairs.length - wins - losses,
    ...(worst.db <= -TIE_DB ? { worst: { tensor: worst.name, db: worst.db } } : {}),
    p,
    effect,
    bytesRatio: row.bytes / baseline.bytes,
    msRatio: row.ms / baseline.ms,
  };
}

function pairsOf(
  first: readonly BenchmarkTensor[],
  second: readonly BenchmarkTensor[],
  measure: BenchmarkMeasure,
): { readonly pairs: readonly Pair[]; readonly unpaired: number } {
  const others = new Map(second.map((tensor) => [tensor.name, tensor]));
  const names = new Set([...first, ...second].map(({ name }) => name));
  const pairs = first.flatMap((tensor): Pair[] => {
    const other = others.get(tensor.name);
    if (other === undefined) return [];
    const db = difference(lossOf(tensor, measure), lossOf(other, measure));
    return db === undefined ? [] : [{ name: tensor.name, elements: tensor.elements, db }];
  });
  return { pairs, unpaired: names.size - pairs.length };
}

function lossOf({ sqnrDb, outputSqnrDb }: BenchmarkTensor, measure: BenchmarkMeasure) {
  return measure === 'weights' ? sqnrDb : outputSqnrDb;
}

/** No error at all is as good as another, and no number of decibels from an error. */
function difference(
  first: number | null | undefined,
  second: number | null | undefined,
): number | undefined {
  if (first === undefined || second === undefined) return undefined;
  if (first === null || second === null) return first === second ? 0 : undefined;
  return second - first;
}

function blocksOf(pairs: readonly Pair[]): readonly (readonly number[])[] {
  const blocks = new Map<string, number[]>();
  for (const { name, db } of pairs) {
    const block = blockOf(name);
    const values = blocks.get(block);
    if (values === undefined) blocks.set(block, [db]);
    else values.push(db);
  }
  return [...blocks.values()];
}

/** `model.layers.3` of `model.layers.3.mlp.up_proj.weight`; where nothing is numbered, the module. */
export function blockOf(tensor: string): string {
  const parts = tensor.split('.');
  const number = parts.findIndex((part) => /^\d+$/.test(part));
  return parts.slice(0, number < 0 ? -1 : number + 1).join('.') || tensor;
}

/** By Holm: the smallest times how many there are, the next times one less, and never below the one before. */
function holm(chances: readonly number[]): readonly number[] {
  const order = chances
    .map((_, index) => index)
    .sort((a, b) => (chances[a] ?? 0) - (chances[b] ?? 0));
  const corrected = [...chances];
  let least = 0;
  for (const [place, index] of order.entries()) {
    least = Math.max(least, Math.min(1, (chances[index] ?? 1) * (order.length - place)));
    corrected[index] = least;
  }
  return corrected;
}
