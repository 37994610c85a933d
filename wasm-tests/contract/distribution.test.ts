/**
 * What is counted in bins is what the files hold, value by value.
 * It exists because a chart shows nothing of a count that is wrong.
 */
import { expect, it } from 'vitest';
import { host } from '#host';
import type { Distribution, PlanOptions, Progress } from '#package';
import type { Bytes } from '../host/host.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { checkDistribution } from '../support/schema.js';

const BINS = 128;

async function distributionOf(first: Bytes, second: Bytes, tensor: string): Promise<Distribution> {
  const distribution = await host.distribution(first, second, tensor, { threads: 1 });
  return checkDistribution(distribution);
}

/** The values of a tensor as `load` gives them. */
async function valuesOf(file: Bytes, name: string): Promise<Float32Array> {
  const tensors = await host.load(file, { threads: 1 });
  try {
    return Float32Array.from((await tensors.tensor(name)).toTypedArray() as Float32Array);
  } finally {
    await tensors.close();
  }
}

function count(values: readonly number[], low: number, high: number): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) {
    const bin = low === high ? 0 : Math.floor(((value - low) * BINS) / (high - low));
    const index = Math.min(bin, BINS - 1);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}

/** The whole document from all values at once. */
async function expected(first: Bytes, second: Bytes, tensor: string): Promise<Distribution> {
  const before = [...(await valuesOf(first, tensor))];
  const after = [...(await valuesOf(second, tensor))];
  const errors = after.map((value, index) => value - (before[index] ?? Number.NaN));
  const largest = Math.max(...errors.map(Math.abs));
  const [low, high] = [Math.min(...before, ...after), Math.max(...before, ...after)];
  return {
    tensor,
    elements: before.length,
    notFinite: 0,
    weights: { low, high },
    before: count(before, low, high),
    after: count(after, low, high),
    error: { low: 0 - largest, high: largest, counts: count(errors, -largest, largest) },
  };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, next) => total + next, 0);
}

interface Case {
  readonly dtype: 'F32' | 'BF16';
  readonly options: PlanOptions;
}

const CASES: readonly Case[] = [
  { dtype: 'F32', options: { bits: 8 } },
  { dtype: 'BF16', options: { bits: 8, scheme: 'asymmetric', weightsOnly: true, groupSize: 32 } },
  { dtype: 'F32', options: { bits: 4, groupSize: 32 } },
  { dtype: 'BF16', options: { bits: 4, groupSize: 32 } },
  { dtype: 'F32', options: { bits: 16 } },
];

it.each(CASES.map((each) => ({ ...each, title: JSON.stringify(each) })))(
  'counts the values of $title',
  async ({ dtype, options }) => {
    const model = modelOf(mixedModel(dtype));
    const { output } = await host.quantize(model, { ...options, threads: 1 });
    for (const name of ['fc.weight', 'image.weight', 'mlp.experts.down']) {
      const found = await distributionOf(model, output, name);
      const wanted = await expected(model, output, name);
      for (const counts of [found.before, found.after, found.error.counts]) {
        expect(sum(counts), name).toBe(wanted.elements);
      }
      expect(found, name).toEqual(wanted);
    }
  },
);

it('a tensor that was copied has no errors', async () => {
  const model = modelOf(mixedModel('F32'));
  const { output } = await host.convert(model, { container: 'pt', threads: 1 });
  const found = await distributionOf(model, output, 'norm.weight');
  expect(found.after).toEqual(found.before);
  expect(found.error).toMatchObject({ low: 0, high: 0 });
  expect(found.error.counts[0]).toBe(found.elements);
  expect(found).toEqual(await expected(model, output, 'norm.weight'));
});

it('values that are not finite are in no count', async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const first = modelOf([filled('a', 'F32', [5], [1, nan, 3, infinity, 5])]);
  const second = modelOf([filled('a', 'F32', [5], [1, nan, infinity, infinity, 4])]);
  const found = await distributionOf(first, second, 'a');
  expect(found).toMatchObject({ elements: 5, notFinite: 3, weights: { low: 1, high: 5 } });
  expect([sum(found.before), sum(found.after), sum(found.error.counts)]).toEqual([2, 2, 2]);
  expect([found.before[127], found.after[96], found.error.counts[0]]).toEqual([1, 1, 1]);
});

it('a mistyped name is met with the nearest one, of the file that lacks it', async () => {
  const first = modelOf([weights('fc.weight', 'F32', [4, 4]), weights('old.weight', 'F32', [4])]);
  const second = modelOf([weights('fc.weight', 'F32', [4, 4]), weights('new.weight', 'F32', [4])]);
  const mistyped = (name: string) =>
    helpfulFailureOf(host.distribution(first, second, name, { threads: 1 }), 'pattern-unmatched');
  const error = await mistyped('fc.wieght');
  expect(error.message).toContain('"fc.wieght"');
  expect(error.suggestion).toContain('"fc.weight"');
  expect((await mistyped('old.weight')).message).toContain('quantized file');
  expect((await mistyped('new.weight')).message).toContain('model');
});

it('other shapes and types are refused', async () => {
  const ints = { name: 'b', dtype: 'I32', shape: [4], bytes: new Uint8Array(16) } as const;
  const first = modelOf([weights('a', 'F32', [2, 8]), ints]);
  const second = modelOf([weights('a', 'F32', [4, 4]), ints]);
  const refused = (name: string) =>
    helpfulFailureOf(host.distribution(first, second, name, { threads: 1 }), 'invalid-options');
  const shapes = await refused('a');
  expect(shapes).toMatchObject({ tensor: 'a' });
  expect(shapes.message).toMatch(/2×8 in the model.*4×4 in the quantized file/);
  expect((await refused('b')).message).toContain('I32');
  for (const name of [undefined, 3]) {
    const call = host.distribution(first, second, name as unknown as string, { threads: 1 });
    expect((await failureOf(call, 'invalid-options')).message).toContain('tensor');
  }
});

it('tells its progress, and ends when it is told to', async () => {
  const model = modelOf([weights('a', 'F32', [64, 64]), weights('b', 'F32', [8, 8])]);
  const reports: Progress[] = [];
  const onProgress = (progress: Progress) => void reports.push(progress);
  await host.distribution(model, model, 'a', { threads: 1, onProgress });
  expect(reports.at(-1)).toEqual({
    stage: 'compare',
    // Both files, twice.
    bytes: 4 * 64 * 64 * 4,
    totalBytes: 4 * 64 * 64 * 4,
    fraction: 1,
    tensor: 'a',
  });
  const ended = new AbortController();
  const call = host.distribution(model, model, 'a', {
    threads: 1,
    signal: ended.signal,
    onProgress: () => ended.abort(),
  });
  await failureOf(call, 'aborted');
  await failureOf(
    host.distribution(model, model, 'a', { threads: 1, signal: AbortSignal.abort() }),
    'aborted',
  );
});
