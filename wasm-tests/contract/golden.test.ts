/**
 * The same codes, scales and packed words as other programs make of the same weights.
 * It exists because a reader of our own could share a mistake with the writer; these bytes cannot.
 * golden/ was made by packers that were compared with compressed-tensors, observers/ by PyTorch.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import { expectSameBytes } from '../support/bytes.js';
import { dequantize, readQuantized } from '../support/dequantize.js';
import { readFixture } from '../support/fixtures.js';
import { decodeFloats } from '../support/floats.js';
import { filled } from '../support/models.js';
import { plannedOf, runOn } from '../support/runs.js';
import { readSafetensors, type TensorFile, tensorOf } from '../support/safetensors.js';

describe('compressed-tensors', () => {
  const columns = 128;
  const weight = filled('lin.weight', 'F16', [64, columns], (index) => {
    const row = Math.floor(index / columns);
    return (((29 * (index % columns) + 13 * row) % 61) - 30) / 32;
  });
  const cases: readonly (readonly [file: string, options: PlanOptions])[] = [
    ['ct_w4a16_g64', { bits: 4, groupSize: 64 }],
    ['ct_w4a16_asym_g64', { bits: 4, groupSize: 64, scheme: 'asymmetric' }],
    ['ct_w8a16_g64', { bits: 8, groupSize: 64, weightsOnly: true }],
  ];

  it.each(cases)('%s', async (name, options) => {
    const golden = readSafetensors(await readFixture(`golden/${name}.safetensors`));
    const { file } = await runOn([weight], { ...options, method: 'rtn' });
    expect([...file.tensors.keys()].sort()).toEqual([...golden.tensors.keys()].sort());
    for (const { name: tensor, dtype, shape, bytes } of golden.tensors.values()) {
      const ours = tensorOf(file, tensor);
      expect({ dtype: ours.dtype, shape: ours.shape }).toEqual({ dtype, shape });
      expectSameBytes(ours.bytes, bytes, tensor);
    }
  });

  it.each(cases)(
    '%s as another program wrote it comes back as its values',
    async (name, options) => {
      const written = await readFixture(`golden/${name}.safetensors`);
      const { plan } = await runOn([weight], { ...options, method: 'rtn' });
      const stored = readQuantized(readSafetensors(written), plannedOf(plan, 'lin.weight'));
      const values = Float32Array.from(dequantize(stored));
      const { output } = await host.dequantize(written, { dtype: 'F32', threads: 1 });
      const { dtype, shape, bytes } = tensorOf(readSafetensors(output), 'lin.weight');
      expect({ dtype, shape }).toEqual({ dtype: 'F32', shape: [64, columns] });
      expectSameBytes(bytes, new Uint8Array(values.buffer), 'lin.weight');
    },
  );
});

describe('PyTorch', () => {
  const cases: readonly (readonly [prefix: string, options: PlanOptions])[] = [
    ['pc_sym_qint8', { bits: 8 }],
    ['pt_sym_qint8', { bits: 8, strategy: 'tensor' }],
    ['pc_aff_qint8', { bits: 8, scheme: 'asymmetric' }],
    ['pt_aff_quint8', { bits: 8, scheme: 'asymmetric', strategy: 'tensor' }],
    ['pc_sym_int4', { bits: 4, strategy: 'channel' }],
    ['pc_aff_uint4', { bits: 4, strategy: 'channel', scheme: 'asymmetric' }],
    ['g32_sym_int4', { bits: 4, groupSize: 32, scaleType: 'F32' }],
    ['g32_aff_uint4', { bits: 4, groupSize: 32, scaleType: 'F32', scheme: 'asymmetric' }],
  ];

  it.each(cases)('%s', async (prefix, options) => {
    const fixture = readSafetensors(await readFixture('observers/weight_64x256.safetensors'));
    const { bytes } = tensorOf(fixture, 'weight');
    const weight = { name: 'fc.weight', dtype: 'F32', shape: [64, 256], bytes } as const;
    const { file, plan } = await runOn([weight], { ...options, method: 'rtn' });
    const quantized = readQuantized(file, plannedOf(plan, 'fc.weight'));
    expect([...quantized.scales]).toEqual([...numbers(fixture, `${prefix}.scale`)]);
    // PyTorch counts some of these codes from 0, the file format from the lowest.
    const shift = prefix.includes('uint') ? 2 ** (Number(options.bits ?? 8) - 1) : 0;
    const zeroPoints = prefix.includes('sym')
      ? quantized.zeroPoints.map(() => 0)
      : Int16Array.from(numbers(fixture, `${prefix}.zero_point`)).map((point) => point - shift);
    expect(quantized.zeroPoints).toEqual(zeroPoints);
    const expected = numbers(fixture, `${prefix}.q`);
    const differing = quantized.codes.findIndex((code, index) => code + shift !== expected[index]);
    expect(differing, 'first code that differs').toBe(-1);
  });
});

function numbers(file: TensorFile, name: string): ArrayLike<number> & Iterable<number> {
  const { dtype, bytes } = tensorOf(file, name);
  const buffer = bytes.slice().buffer;
  switch (dtype) {
    case 'I8':
      return new Int8Array(buffer);
    case 'U8':
      return new Uint8Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    default:
      return decodeFloats(dtype, bytes);
  }
}
