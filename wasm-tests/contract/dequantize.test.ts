/**
 * Quantized files come back as floats: the values that an independent reader computes, under the original names.
 * It exists because what was stored must be what is read, bit for bit, whatever the scheme.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import { expectSameBytes } from '../support/bytes.js';
import { dequantize, readQuantized } from '../support/dequantize.js';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { modelOf, runOn } from '../support/runs.js';
import { readSafetensors } from '../support/safetensors.js';

const SCHEMES: readonly PlanOptions[] = (['symmetric', 'asymmetric'] as const).flatMap((scheme) => [
  { bits: 8, scheme },
  { bits: 8, scheme, strategy: 'tensor' },
  { bits: 8, scheme, weightsOnly: true },
  { bits: 8, scheme, weightsOnly: true, strategy: 'tensor' },
  { bits: 8, scheme, weightsOnly: true, groupSize: 32 },
  { bits: 4, scheme, groupSize: 32 },
  { bits: 4, scheme, strategy: 'channel', method: 'rtn' },
]);

describe.each(SCHEMES.map((options) => ({ options, title: JSON.stringify(options) })))(
  '$title',
  ({ options }) => {
    it.each(['F32', 'BF16'] as const)('values of %s are the stored ones', async (dtype) => {
      const run = await runOn(mixedModel(dtype), options);
      const { output } = await host.dequantize(run.output, { dtype: 'F32', threads: 1 });
      const file = readSafetensors(output);
      expect([...file.tensors.keys()].sort()).toEqual([...run.source.keys()].sort());
      let quantized = 0;
      for (const planned of run.plan.tensors) {
        const found = file.tensors.get(planned.name);
        expect(found?.shape, planned.name).toEqual(planned.shape);
        if (planned.quantization === undefined) {
          const source = run.source.get(planned.name)?.bytes ?? new Uint8Array(1);
          expectSameBytes(found?.bytes ?? new Uint8Array(), source, planned.name);
          continue;
        }
        const stored = Float32Array.from(dequantize(readQuantized(run.file, planned)));
        const values = new Uint8Array(stored.buffer);
        expect(found?.dtype).toBe('F32');
        expectSameBytes(found?.bytes ?? new Uint8Array(), values, planned.name);
        quantized++;
      }
      expect(quantized).toBeGreaterThan(8);
    });
  },
);

it('has the dtype of its scales unless another is asked for', async () => {
  const { output: quantized } = await runOn(mixedModel('BF16'), { bits: 4, groupSize: 32 });
  for (const [dtype, expected] of [
    [undefined, 'BF16'],
    ['F16', 'F16'],
    ['F32', 'F32'],
  ] as const) {
    const options = { threads: 1, ...(dtype === undefined ? {} : { dtype }) };
    const { output, report } = await host.dequantize(quantized, options);
    const { tensors, metadata } = readSafetensors(output);
    expect(tensors.get('fc.weight')?.dtype).toBe(expected);
    expect(tensors.get('norm.weight')?.dtype).toBe('BF16');
    expect(Object.keys(metadata)).not.toContain('quantization_config');
    expect(report.configuration).toMatchObject({ bits: 'none', dequantize: dtype ?? 'auto' });
  }
});

it('gives the same bytes from .pt files and with threads', async () => {
  const model = modelOf(mixedModel('F32'));
  const safetensors = await host.quantize(model, { bits: 4, groupSize: 32, threads: 1 });
  const torch = await host.quantize(model, { bits: 4, groupSize: 32, threads: 1, container: 'pt' });
  const { output: expected } = await host.dequantize(safetensors.output, { threads: 1 });
  const { output } = await host.dequantize(torch.output, { threads: 3 });
  expectSameBytes(output, expected, 'from .pt');
});

it('refuses a file without codes', async () => {
  const error = await failureOf(
    host.dequantize(modelOf(mixedModel('F32')), { threads: 1 }),
    'nothing-to-dequantize',
  );
  expect(error.suggestion).toContain('convert');
  await failureOf(
    host.dequantize(modelOf(mixedModel('F32')), { dtype: 'F8' as 'F16' }),
    'invalid-options',
  );
  expect(await host.leftovers()).toEqual([]);
});

describe('load', () => {
  it('gives tensors by name, dequantized on demand', async () => {
    const run = await runOn(mixedModel('F32'), { bits: 4, groupSize: 32 });
    const tensors = await host.load(run.output, { threads: 1 });
    try {
      const planned = run.plan.tensors.find(({ name }) => name === 'video.weight');
      if (planned === undefined) throw new Error('The model has changed.');
      const { dtype, shape, toTypedArray } = await tensors.tensor('video.weight');
      expect({ dtype, shape }).toEqual({ dtype: 'F32', shape: planned.shape });
      const expected = Float32Array.from(dequantize(readQuantized(run.file, planned)));
      expect(toTypedArray()).toEqual(expected);
      const steps = await tensors.tensor('steps');
      expect(steps.toTypedArray()).toEqual(new BigInt64Array([0x0807060504030201n]));
      const info = tensors.catalog.tensors.find(({ name }) => name === 'fc.weight');
      expect(info?.quantization).toMatchObject({ bits: 4, strategy: 'group', groupSize: 32 });
      const error = await failureOf(tensors.tensor('fc.wieght'), 'pattern-unmatched');
      expect(error.suggestion).toContain('fc.weight');
    } finally {
      await tensors.close();
    }
  });

  it('gives all tensors one after the other, whatever their type', async () => {
    const model = mixedModel('F16');
    const tensors = await host.load(modelOf(model), { threads: 1 });
    const names: string[] = [];
    for await (const { name, bytes, toTypedArray, dtype } of tensors) {
      names.push(name);
      const source = model.find((tensor) => tensor.name === name);
      expectSameBytes(bytes, source?.bytes ?? new Uint8Array(1), name);
      if (dtype === 'F16') expect(toTypedArray()).toBeInstanceOf(Float32Array);
    }
    await tensors.close();
    expect(names).toEqual(model.map(({ name }) => name));
  });
});
