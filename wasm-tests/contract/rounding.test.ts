/**
 * Every way of quantizing, on every kind of layer and type of source, judged element by element.
 * It exists because this is what the package promises: weights that are half a step away, at most.
 * The output is read by support/dequantize.ts, which shares nothing with the engine.
 */
import { describe, expect, it } from 'vitest';
import type { PlanOptions } from '../../js/api/options.js';
import type { Dtype } from '../../js/api/types.js';
import { expectQuantizedWell, sqnrOf } from '../support/errors.js';
import { LAYERS, mixedModel } from '../support/models.js';
import { runOn, sourceOf } from '../support/runs.js';
import { tensorOf } from '../support/safetensors.js';

const DTYPES: readonly Dtype[] = ['F32', 'F16', 'BF16', 'F64'];
const SCHEMES = ['symmetric', 'asymmetric'] as const;
const WAYS: readonly PlanOptions[] = [
  { bits: 8 },
  { bits: 8, strategy: 'tensor' },
  { bits: 8, weightsOnly: true },
  { bits: 8, weightsOnly: true, strategy: 'tensor' },
  { bits: 8, weightsOnly: true, groupSize: 32 },
  { bits: 4, groupSize: 32 },
  { bits: 4, strategy: 'channel' },
];

describe.each(DTYPES)('%s', (dtype) => {
  for (const scheme of SCHEMES) {
    for (const way of WAYS) {
      it(`${scheme} ${JSON.stringify(way)}`, () => expectFaithful(dtype, { ...way, scheme }));
    }
  }
});

async function expectFaithful(dtype: Dtype, options: PlanOptions): Promise<void> {
  const run = await runOn(mixedModel(dtype), options);
  const kinds = new Map(LAYERS.map(([name, kind]) => [name, kind]));
  const quantized = run.plan.tensors.filter(({ decision }) => decision === 'quantize');
  expect(quantized.map(({ name }) => name).sort()).toEqual([...kinds.keys()].sort());
  for (const planned of run.plan.tensors) {
    const source = sourceOf(run, planned.name);
    if (planned.decision !== 'quantize') {
      expect(tensorOf(run.file, planned.name)).toMatchObject(source);
      continue;
    }
    expect(planned.kind).toBe(kinds.get(planned.name));
    const sums = expectQuantizedWell(source, run.file, planned);
    const reported = run.report.tensors.find(({ name }) => name === planned.name);
    console.log(planned.name, sqnrOf(sums), (reported!.sqnrDb! - sqnrOf(sums)!)/sqnrOf(sums)!, (reported!.maxError - sums.peak)/sums.peak);
  }
  expect(run.output.length).toBe(run.plan.sizes.outputBytes);
}
