/**
 * Shapes that fit nothing and values that nobody trains: they come out right as well.
 * It exists because sizes that are no multiple of anything, zeros, subnormals and huge values
 * are where kernels, packing and sums go wrong.
 * The same rule as everywhere: half a step, the smallest scale that does, numbers recomputed.
 */
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '#package';
import { dequantize, readQuantized } from '../support/dequantize.js';
import {
  expectQuantizedWell,
  expectReportedRoughly,
  SMALLEST_SCALE,
  sumErrors,
} from '../support/errors.js';
import { decodeFloats } from '../support/floats.js';
import { filled, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { plannedOf, type Run, runOn, sourceOf } from '../support/runs.js';
import { type Tensor, tensorOf } from '../support/safetensors.js';

const WAYS: readonly PlanOptions[] = [
  { bits: 8 },
  { bits: 8, scheme: 'asymmetric' },
  { bits: 8, strategy: 'tensor', scheme: 'asymmetric' },
  { bits: 8, weightsOnly: true, scheme: 'asymmetric' },
  { bits: 4, scheme: 'asymmetric', strategy: 'channel', method: 'rtn' },
  { bits: 4, method: 'rtn' },
];
const SEARCHES: readonly PlanOptions[] = [
  { bits: 8, method: 'mse' },
  { bits: 4, scheme: 'asymmetric', strategy: 'channel', method: 'mse' },
  { bits: 4, method: 'mse' },
];
const EVERYTHING = { minElements: 0 } as const;

describe.each([...WAYS, ...SEARCHES])('%j', (way) => {
  it('takes every shape', async () => {
    const model = [
      weights('one_row.weight', 'F32', [1, 1001]),
      weights('one_column.weight', 'F32', [1001, 1]),
      weights('one_element.weight', 'F32', [1, 1]),
      weights('odd.weight', 'F32', [7, 9]),
      weights('odd_half.weight', 'BF16', [5, 13]),
      weights('odd_kernel.weight', 'F16', [7, 3, 5, 3]),
      weights('long_rows.weight', 'F32', [3, 70001]),
      weights('longer_rows.weight', 'F16', [1, 131072]),
      weights('rows_of_a_block.weight', 'F32', [5, 16384]),
      weights('mlp.experts.odd', 'F32', [3, 5, 7]),
      weights('mlp.experts.one', 'F32', [1, 9, 128]),
      weights('no_rows.weight', 'F32', [0, 16]),
      weights('no_columns.weight', 'F32', [16, 0]),
    ];
    // By name: rows whose scales cost what their codes save are left alone otherwise.
    const all = { pattern: '*', bits: way.bits ?? 8 };
    const run = await runOn(model, { ...way, ...EVERYTHING, overrides: [all] });
    expectAllWell(run);
    expect(run.plan.tensors.filter(({ reason }) => reason === 'empty').length).toBe(2);
    expect(run.report.tensors.length).toBe(model.length - 2);
  });

  it('takes every value', async () => {
    const random = new Random(3);
    const shape = [6, 256];
    const sign = () => (random.uniform() < 0.5 ? -1 : 1);
    const model = [
      filled('zero.weight', 'F32', shape, () => 0),
      filled('minus_zero.weight', 'F16', shape, () => -0),
      filled('equal.weight', 'F32', shape, () => 0.3),
      filled('equal_negative.weight', 'BF16', shape, () => -5),
      filled('positive.weight', 'F32', shape, () => 1 + random.uniform()),
      filled('negative.weight', 'F16', shape, () => -1 - random.uniform()),
      filled('one_value.weight', 'F32', shape, (index) => (index === 700 ? 1 : 0)),
      filled('outlier.weight', 'F32', shape, (index) => (index % 256 ? random.bell() : 1e6)),
      filled('rows_apart.weight', 'F32', shape, (index) => 10 ** (index >> 8) * random.bell()),
      filled('large.weight', 'F32', shape, () => sign() * 1e30 * random.uniform()),
      filled('largest.weight', 'F32', shape, (index) => sign() * (index % 2 ? 8.5e37 : 1e37)),
      filled('largest_half.weight', 'F16', shape, () => sign() * 65504),
      filled('small.weight', 'F32', shape, () => 1e-6 * random.bell()),
    ];
    expectAllWell(await runOn(model, { ...way, ...EVERYTHING }));
  });

  it('leaves alone what its codes could make infinite', async () => {
    const model = [
      filled('fine.weight', 'F32', [6, 256], (index) => Math.sin(index)),
      filled('huge.weight', 'F32', [6, 256], (index) => (index === 700 ? 3.4e38 : 1)),
      filled('huge_half.weight', 'BF16', [6, 256], (index) => (index === 3 ? -(2 ** 126) : 1)),
    ];
    const { report } = await runOn(model, { ...way, ...EVERYTHING });
    expect(report.tensors.map(({ name }) => name)).toEqual(['fine.weight']);
    expect(report.copied.map(({ name, reason }) => [name, reason])).toEqual([
      ['huge.weight', 'overflow'],
      ['huge_half.weight', 'overflow'],
    ]);
    expect(report.warnings.find(({ code }) => code === 'overflow')?.total).toBe(2);
  });
});

describe.each(WAYS)('%j', (way) => {
  it('keeps values exact that are codes times a scale', async () => {
    // Extremes at the ends of the codes, so that the scale is a power of two in every scheme.
    const bits = way.bits === 4 ? 4 : 8;
    const lowest = -(2 ** (bits - 1));
    const isAsymmetric = way.scheme === 'asymmetric';
    const random = new Random(9);
    const levels = () => lowest + random.below(2 ** bits - (isAsymmetric ? 0 : 1));
    const values = Float64Array.from({ length: 4 * 128 }, (_, index) => {
      if (index % 128 === 0) return isAsymmetric ? lowest : 0.5 - 2 ** (bits - 1);
      return index % 128 === 1 && isAsymmetric ? -lowest - 1 : levels() + (isAsymmetric ? 0 : 1);
    });
    const exact = filled(
      'exact.weight',
      'F32',
      [4, 128],
      values.map((value) => value / 64),
    );
    const run = await runOn([exact], { ...way, ...EVERYTHING });
    const stored = dequantize(readQuantized(run.file, plannedOf(run.plan, 'exact.weight')));
    for (const [index, value] of decodeFloats('F32', exact.bytes).entries()) {
      if (isAsymmetric || index % 128 !== 0) expect(stored[index]).toBe(value);
    }
    expect(run.report.tensors[0]?.sqnrDb === null).toBe(isAsymmetric);
  });
});

describe('values too small for any scale', () => {
  const random = new Random(4);
  const model = [
    filled('subnormal.weight', 'F32', [4, 256], () => 1e-40 * random.bell()),
    filled('tiny.weight', 'F32', [4, 256], () => 1e-25 * random.bell()),
    filled('subnormal_half.weight', 'F16', [4, 256], () => 2 ** -24 * random.below(3)),
    filled('below_f32.weight', 'F64', [4, 256], () => 1e-60 * random.bell()),
  ];

  it.each([...WAYS, ...SEARCHES])(
    'become zero, and the report says what that costs: %j',
    async (way) => {
      const run = await runOn(model, { ...way, ...EVERYTHING });
      for (const name of ['subnormal.weight', 'tiny.weight']) {
        const quantized = readQuantized(run.file, plannedOf(run.plan, name));
        expect(quantized.scales.every((scale) => scale === SMALLEST_SCALE)).toBe(true);
        const stored = dequantize(quantized);
        expect(stored.every((value) => value === 0)).toBe(true);
        const source = decodeFloats('F32', sourceOf(run, name).bytes);
        expectReportedRoughly(run.report, name, sumErrors(source, stored));
        const reported = run.report.tensors.find((tensor) => tensor.name === name);
        expect(reported?.sqnrDb).toBeCloseTo(0, 6);
        expect(reported?.maxError).toBeGreaterThan(0);
      }
      expectWell(run, sourceOf(run, 'subnormal_half.weight'));
      // As f32 these are zero, which is what a loader would see too.
      const below = readQuantized(run.file, plannedOf(run.plan, 'below_f32.weight'));
      expect(dequantize(below).every((value) => value === 0)).toBe(true);
    },
  );
});

describe('NaN and infinity', () => {
  const bad = (name: string, value: number, at: number) => {
    const shape = [8, 256];
    return filled(name, 'F32', shape, (index) => (index === at ? value : 0.01 * (index % 7)));
  };
  const model = [
    bad('a.weight', Number.NaN, 0),
    bad('b.weight', Number.POSITIVE_INFINITY, 2047),
    bad('c.weight', Number.NEGATIVE_INFINITY, 1000),
    filled('beyond_f32.weight', 'F64', [4, 256], (index) => (index === 5 ? 1e300 : 1)),
    weights('good.weight', 'F32', [8, 256]),
    weights('half.weight', 'F16', [8, 256]),
  ];
  const unfit = ['a.weight', 'b.weight', 'c.weight', 'beyond_f32.weight'];

  it.each([...WAYS, ...SEARCHES])(
    'are copied with a warning, and the others quantized: %j',
    async (way) => {
      const run = await runOn(model, { ...way, ...EVERYTHING });
      for (const name of unfit) expectCopied(run, sourceOf(run, name));
      const reasons = run.report.copied.map(({ name, reason }) => `${name} ${reason}`);
      expect(reasons.sort()).toEqual(unfit.map((name) => `${name} non-finite`).sort());
      expect(run.report.tensors.map(({ name }) => name).sort()).toEqual([
        'good.weight',
        'half.weight',
      ]);
      for (const name of ['good.weight', 'half.weight']) expectWell(run, sourceOf(run, name));
      const warning = run.report.warnings.find(({ code }) => code === 'non-finite');
      expect([...(warning?.tensors ?? [])].sort()).toEqual([...unfit].sort());
      expect(run.report.sizes.outputBytes).toBe(run.output.length);
      expect(run.report.sizes.quantizedParameters).toBe(2 * 8 * 256);
    },
  );
});

function expectAllWell(run: Run): void {
  for (const tensor of run.source.values()) {
    const { decision } = plannedOf(run.plan, tensor.name);
    if (decision === 'quantize') expectWell(run, tensor);
    else expectCopied(run, tensor);
  }
}

function expectWell(run: Run, tensor: Tensor): void {
  const planned = plannedOf(run.plan, tensor.name);
  expectReportedRoughly(run.report, tensor.name, expectQuantizedWell(tensor, run.file, planned));
}

function expectCopied(run: Run, tensor: Tensor): void {
  const { dtype, shape, bytes } = tensorOf(run.file, tensor.name);
  expect({ dtype, shape }).toEqual({ dtype: tensor.dtype, shape: tensor.shape });
  expect(bytes.every((byte, index) => byte === tensor.bytes[index])).toBe(true);
  expect(bytes.length).toBe(tensor.bytes.length);
}
