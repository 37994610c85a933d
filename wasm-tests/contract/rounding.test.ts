/**
 * Every way of quantizing, on every kind of layer and type of source, judged element by element.
 * It exists because this is what the package promises: weights that are half a step away, at most.
 * Outputs are read by support/dequantize.ts, which shares nothing with the engine.
 */
import { expect, it } from 'vitest';
import type { Dtype, PlanOptions } from '#package';
import { expectQuantizedWell, expectReported } from '../support/errors.js';
import { LAYERS, mixedModel } from '../support/models.js';
import { runOn, sourceOf } from '../support/runs.js';
import { tensorOf } from '../support/safetensors.js';

const DTYPES: readonly Dtype[] = ['F32', 'F16', 'BF16', 'F64'];
const MODEL = DTYPES.flatMap((dtype, index) => mixedModel(dtype, `${dtype}.`, 50 * index));

const WAYS: readonly PlanOptions[] = [
  { bits: 8 },
  { bits: 8, strategy: 'tensor' },
  { bits: 8, weightsOnly: true },
  { bits: 8, weightsOnly: true, strategy: 'tensor' },
  { bits: 8, weightsOnly: true, groupSize: 32 },
  { bits: 4, groupSize: 32, method: 'rtn' },
  { bits: 4, strategy: 'channel', method: 'rtn' },
  { bits: 8, method: 'mse' },
  { bits: 4, groupSize: 32, method: 'mse' },
  { bits: 4, strategy: 'channel', method: 'mse' },
];

it.each(
  WAYS.flatMap((way) => [
    { ...way, scheme: 'symmetric' } as const,
    { ...way, scheme: 'asymmetric' } as const,
  ]),
)('%j', async (options) => {
  const run = await runOn(MODEL, options);
  expect(run.output.length).toBe(run.plan.sizes.outputBytes);
  const quantized: string[] = [];
  const isWide = (dtype: string) => dtype === 'F64' || dtype === 'F32';
  const isFine = options.bits === 4 && options.groupSize !== undefined; // scales take 16 bits
  for (const planned of run.plan.tensors) {
    const { name, dtype, kind, decision } = planned;
    const source = sourceOf(run, name);
    if (decision !== 'quantize') {
      expect(tensorOf(run.file, name)).toMatchObject(source);
      continue;
    }
    quantized.push(`${name} ${kind}`);
    expect(planned.quantization).toMatchObject({
      bits: options.bits,
      scheme: options.scheme,
      method: options.method ?? 'rtn',
      scaleDtype: isWide(dtype) ? (isFine ? 'BF16' : 'F32') : dtype,
    });
    expectReported(run.report, name, expectQuantizedWell(source, run.file, planned));
  }
  expect(quantized.sort()).toEqual(
    DTYPES.flatMap((dtype) => LAYERS.map(({ name, kind }) => `${dtype}.${name} ${kind}`)).sort(),
  );
});
