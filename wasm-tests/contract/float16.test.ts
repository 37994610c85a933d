/**
 * `bits: 16`: floats of half the size, rounded as PyTorch rounds them.
 * It exists because a conversion must be exact to the bit, and must never turn a number into infinity.
 * Values that do not fit are left as they are, with a warning, and so is what is narrow already.
 */
import { describe, expect, it } from 'vitest';
import type { Dtype, FloatType } from '#package';
import { expectSameBytes } from '../support/bytes.js';
import { expectReportedRoughly, sumErrors } from '../support/errors.js';
import { readFixture } from '../support/fixtures.js';
import { decodeFloats, encodeFloats, LARGEST } from '../support/floats.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { plannedOf, runOn, sourceOf } from '../support/runs.js';
import { elementBytes, readSafetensors, type Tensor, tensorOf } from '../support/safetensors.js';

const FLOAT_TYPES = ['F16', 'BF16'] as const;

describe.each(FLOAT_TYPES)('%s', (floatType) => {
  it.each(['F32', 'F64', 'F16', 'BF16'] as const)('is made of every %s tensor', async (dtype) => {
    // At least one that is not of that type already.
    const model = [...mixedModel(dtype), weights('other.weight', 'F32', [2, 3])];
    const run = await runOn(model, { bits: 16, floatType });
    for (const { name, decision, reason } of run.plan.tensors) {
      const source = sourceOf(run, name);
      const stored = tensorOf(run.file, name);
      expect(stored.shape).toEqual(source.shape);
      if (source.dtype === 'I64' || source.dtype === floatType) {
        expect({ decision, reason }).toEqual({
          decision: 'copy',
          reason: source.dtype === 'I64' ? 'not-float' : 'already-narrow',
        });
        expectSameBytes(stored.bytes, source.bytes, name);
        continue;
      }
      expect({ decision, dtype: stored.dtype }).toEqual({ decision: 'convert', dtype: floatType });
      const values = decodeFloats(source.dtype, source.bytes);
      // Through f32, as PyTorch goes.
      expectSameBytes(stored.bytes, encodeFloats(floatType, values.map(Math.fround)), name);
      const sums = sumErrors(values, decodeFloats(floatType, stored.bytes));
      expectReportedRoughly(run.report, name, sums);
    }
    expect(run.file.metadata.quantization_config).toBeUndefined();
  });

  it.each(['f32_to_narrow', 'f64_to_narrow'])('agrees with PyTorch on %s', async (fixture) => {
    const { tensors } = readSafetensors(await readFixture(`numerics/${fixture}.safetensors`));
    const source = tensors.get('x');
    const expected = tensors.get(floatType.toLowerCase());
    if (source === undefined || expected === undefined)
      throw new Error('The fixture is incomplete.');
    const fits = decodeFloats(floatType, expected.bytes).map((value) =>
      Number(Number.isFinite(value)),
    );
    const x = elementsWhere(fits, source);
    const run = await runOn([{ ...x, name: 'x.weight' }], { bits: 16, floatType });
    const stored = tensorOf(run.file, 'x.weight');
    expect(stored.dtype).toBe(floatType);
    expectSameBytes(stored.bytes, elementsWhere(fits, expected).bytes, fixture);
  });

  it('never makes infinity of a number', async () => {
    const largest = LARGEST[floatType];
    // Half a step above the largest value is the first that would round to infinity.
    const limit = floatType === 'F16' ? 65520 : 2 ** 127 * (2 - 2 ** -8);
    const model = [
      filled('largest.weight', 'F32', [2, 2], [largest, -largest, 0, 1]),
      filled('below.weight', 'F32', [2, 2], [Math.fround(limit * (1 - 2 ** -24)), 0, 0, 1]),
      filled('limit.weight', 'F32', [2, 2], [1, 0, -limit, 1]),
      filled('one_dimensional.bias', 'F32', [3], [1, limit, 1]),
    ];
    const run = await runOn(model, { bits: 16, floatType });
    expect(decodeFloats(floatType, tensorOf(run.file, 'largest.weight').bytes)).toEqual(
      Float64Array.of(largest, -largest, 0, 1),
    );
    expect(decodeFloats(floatType, tensorOf(run.file, 'below.weight').bytes)[0]).toBe(largest);
    const unfit = ['limit.weight', 'one_dimensional.bias'];
    for (const name of unfit) expect(tensorOf(run.file, name)).toMatchObject(sourceOf(run, name));
    expect(run.report.copied.map(({ name, reason }) => [name, reason]).sort()).toEqual(
      unfit.map((name) => [name, 'overflow']),
    );
    const warning = run.report.warnings.find(({ code }) => code === 'overflow');
    expect([...(warning?.tensors ?? [])].sort()).toEqual(unfit);
    expect(run.report.sizes.outputBytes).toBe(run.output.length);
  });
});

it('leaves NaN and infinity to the tensors that hold them', async () => {
  const model = [
    filled('nan.weight', 'F32', [1, 2], [Number.NaN, 1]),
    filled('infinity.weight', 'BF16', [1, 2], [Number.NEGATIVE_INFINITY, 1]),
    weights('good.weight', 'F32', [2, 2]),
  ];
  const run = await runOn(model, { bits: 16 });
  expect(run.report.warnings.map(({ code }) => code)).toEqual(['non-finite']);
  expect(run.report.copied.map(({ name }) => name).sort()).toEqual([
    'infinity.weight',
    'nan.weight',
  ]);
  expect(tensorOf(run.file, 'good.weight').dtype).toBe('F16');
});

it('is mixed with other bits by overrides', async () => {
  const run = await runOn(mixedModel('F32'), {
    bits: 8,
    floatType: 'BF16',
    overrides: [
      { pattern: 'lstm', bits: 16 },
      { pattern: 'gru', bits: 4 },
    ],
  });
  const dtype = (name: string): Dtype => tensorOf(run.file, name).dtype;
  expect(dtype('lstm.weight_ih_l0')).toBe<FloatType>('BF16');
  expect(dtype('gru.weight_ih_l0_packed')).toBe('I32');
  expect(dtype('fc.weight')).toBe('I8');
  expect(plannedOf(run.plan, 'lstm.weight_ih_l0').reason).toBe('override');
});

/** Those elements of a one-dimensional tensor whose mark is not 0. */
function elementsWhere(marks: ArrayLike<number>, tensor: Tensor): Tensor {
  const size = elementBytes(tensor.dtype);
  const kept = Array.from(marks).flatMap((mark, index) => (mark === 0 ? [] : [index]));
  const bytes = new Uint8Array(kept.length * size);
  for (const [to, from] of kept.entries()) {
    bytes.set(tensor.bytes.subarray(from * size, (from + 1) * size), to * size);
  }
  return { ...tensor, shape: [kept.length], bytes };
}
