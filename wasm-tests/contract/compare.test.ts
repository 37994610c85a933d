/**
 * What differs between two files is found, measured and put first.
 * It exists so that the numbers people decide by are those of an independent computation.
 */
import { expect, it } from 'vitest';
import { host } from '#host';
import type { Comparison } from '#package';
import type { Bytes } from '../host/host.js';
import { decodeFloats } from '../support/floats.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { readSafetensors } from '../support/safetensors.js';
import { checkComparison } from '../support/schema.js';

async function compared(first: Bytes, second: Bytes): Promise<Comparison> {
  return checkComparison(await host.compare(first, second, { threads: 1 }));
}

function tensorOf({ tensors }: Comparison, name: string) {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`"${name}" was not compared.`);
  return found;
}

it('equal files are identical, whatever their kind', async () => {
  const model = modelOf(mixedModel('BF16'));
  const { output: torch } = await host.convert(model, { container: 'pt', threads: 1 });
  const comparison = await compared(model, torch);
  expect(comparison.tensors.every(({ verdict }) => verdict === 'identical')).toBe(true);
  expect(comparison.sqnrDb).toBeNull();
  expect(comparison.second).toMatchObject({ format: 'torch-zip', bytes: torch.length });
});

it('a quantized file is compared as its values', async () => {
  const tensors = mixedModel('F32');
  const model = modelOf(tensors);
  const { output, report } = await host.quantize(model, { bits: 4, groupSize: 32, threads: 1 });
  const comparison = await compared(model, output);
  expect(comparison.tensors).toHaveLength(tensors.length);
  expect(comparison.sqnrDb).toBeCloseTo(report.sqnrDb ?? 0, 3);
  const { output: values } = await host.dequantize(output, { dtype: 'F32', threads: 1 });
  const stored = readSafetensors(values).tensors.get('fc.weight');
  const source = tensors.find(({ name }) => name === 'fc.weight');
  const [a, b] = [source, stored].map((t) => decodeFloats('F32', t?.bytes ?? new Uint8Array()));
  let [signal, noise, peak, differing] = [0, 0, 0, 0];
  for (const [index, value] of (a ?? []).entries()) {
    const error = value - (b?.[index] ?? Number.NaN);
    signal += value * value;
    noise += error * error;
    peak = Math.max(peak, Math.abs(error));
    differing += error === 0 ? 0 : 1;
  }
  const found = tensorOf(comparison, 'fc.weight');
  expect(found).toMatchObject({ verdict: 'different', elements: 24 * 160, differing });
  expect(found.sqnrDb).toBeCloseTo(10 * Math.log10(signal / noise), 9);
  expect(found.maxError).toBeCloseTo(peak, 9);
  expect(found.second?.quantization).toMatchObject({ bits: 4, groupSize: 32 });
  // Codes of four bits, scales of 16 bits, and eight bytes a dimension of the shape are not among them.
  expect(found.second?.bytes).toBe((24 * 160) / 2 + ((24 * 160) / 32) * 2);
  expect(tensorOf(comparison, 'norm.weight').verdict).toBe('identical');
});

it('an error where there was no signal is a number, as low as there is', async () => {
  const [zero, one] = [[0], [1]].map((values) => modelOf([filled('a', 'F32', [1], values)]));
  if (zero === undefined || one === undefined) throw new Error('There are two.');
  const found = tensorOf(await compared(zero, one), 'a');
  expect(found).toMatchObject({ verdict: 'different', maxError: 1 });
  expect(found.sqnrDb).toBeLessThan(-1000);
  expect(JSON.parse(JSON.stringify(found))).toEqual(found);
});

it('what differs most comes first', async () => {
  const first = modelOf([
    weights('same.weight', 'F32', [8, 8]),
    weights('near.weight', 'F32', [8, 8], 2),
    filled('far.weight', 'F32', [4], [1, 2, 3, 4]),
    weights('shape.weight', 'F32', [8, 8], 3),
    weights('gone.weight', 'F32', [8, 8], 4),
    { name: 'type', dtype: 'I64', shape: [1], bytes: new Uint8Array(8) },
  ]);
  const second = modelOf([
    weights('same.weight', 'F32', [8, 8]),
    weights('near.weight', 'F16', [8, 8], 2),
    filled('far.weight', 'F32', [4], [1, 2, 3, -4]),
    weights('shape.weight', 'F32', [4, 16], 3),
    weights('new.weight', 'F32', [8, 8], 5),
    { name: 'type', dtype: 'I32', shape: [1], bytes: new Uint8Array(4) },
  ]);
  const comparison = await compared(first, second);
  expect(comparison.tensors.map(({ name, verdict }) => [name, verdict])).toEqual([
    ['gone.weight', 'only-first'],
    ['new.weight', 'only-second'],
    ['shape.weight', 'other-shape'],
    ['type', 'other-dtype'],
    ['far.weight', 'different'],
    ['near.weight', 'different'],
    ['same.weight', 'identical'],
  ]);
  expect(tensorOf(comparison, 'far.weight')).toMatchObject({ maxError: 8, differing: 1 });
  expect(tensorOf(comparison, 'far.weight').sqnrDb).toBeCloseTo(10 * Math.log10(30 / 64), 12);
});

it('what has noise and no signal has the lowest ratio, and not none', async () => {
  const first = modelOf([filled('a.weight', 'F32', [2], [0, 0])]);
  const second = modelOf([filled('a.weight', 'F32', [2], [1, 1e6])]);
  const { sqnrDb } = tensorOf(await compared(first, second), 'a.weight');
  expect(sqnrDb).toBe(-3240);
  expect(JSON.parse(JSON.stringify({ sqnrDb }))).toEqual({ sqnrDb: -3240 });
});

it('values that are not numbers are equal to themselves only, and as far from others as there is', async () => {
  const values = [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NaN];
  const first = modelOf([filled('a.weight', 'F32', [4], values)]);
  const second = modelOf([filled('a.weight', 'F32', [4], [1, Number.NaN, 3, 4])]);
  expect(tensorOf(await compared(first, first), 'a.weight').verdict).toBe('identical');
  expect(tensorOf(await compared(first, second), 'a.weight')).toMatchObject({
    verdict: 'different',
    differing: 2,
    notFinite: 2,
    sqnrDb: -3240,
  });
});
