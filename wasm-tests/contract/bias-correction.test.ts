/**
 * Biases that take back what codes do to the means of outputs, through every host: what layers compute gets better, and
 * nobody takes a corrected bias for a damaged one.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import type { Bytes, DataFile } from '../host/host.js';
import { failureOf } from '../support/failures.js';
import { filled, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';

const WIDTH = 128;
const MODEL = writeSafetensors([
  weights('fc.weight', 'F32', [96, WIDTH], 1),
  weights('fc.bias', 'F32', [96], 2),
  weights('bare.weight', 'F32', [64, WIDTH], 3),
]);

/** As behind an activation: most of an input is its mean. */
function inputs(name: string, seed: number) {
  const random = new Random(seed);
  return filled(
    name,
    'F32',
    [150, WIDTH],
    (index) => 1 + ((index % WIDTH) % 5) + 0.3 * random.bell(),
  );
}

const DATA: readonly DataFile[] = [
  { name: 'data.safetensors', bytes: writeSafetensors([inputs('fc', 4), inputs('bare', 5)]) },
];

function quantized(options: PlanOptions) {
  return host.withData(DATA, (calibration) =>
    host.quantize(MODEL, { bits: 4, groupSize: 32, minElements: 0, ...options, calibration }),
  );
}

async function outputSqnr(output: Bytes) {
  const { tensors } = await host.withData(DATA, (calibration) =>
    host.validate(output, { reference: MODEL, calibration }),
  );
  return new Map(tensors.map(({ name, run }) => [name, run?.sqnrDb ?? 0]));
}

describe('bias correction', () => {
  it('makes the outputs better where there is a bias, and adds none', async () => {
    for (const method of ['rtn', 'mse', 'gptq'] as const) {
      const corrected = await quantized({ method });
      const plain = await quantized({ method, biasCorrection: 'off' });
      const [better, worse] = [await outputSqnr(corrected.output), await outputSqnr(plain.output)];
      // Weights that make up for each other's errors have left little of a shift.
      const gain = method === 'gptq' ? -0.05 : 1;
      expect(better.get('fc.weight'), method).toBeGreaterThan((worse.get('fc.weight') ?? 0) + gain);
      expect(better.get('bare.weight')).toBe(worse.get('bare.weight'));
      expect(corrected.output.length - plain.output.length).toBeLessThan(100); // a note
      const names = (file: Bytes) => [...readSafetensors(file).tensors.keys()];
      expect(names(corrected.output)).toEqual(names(plain.output));
    }
  });

  it('is in the report, and changes nothing else', async () => {
    const [corrected, plain] = [await quantized({}), await quantized({ biasCorrection: 'off' })];
    expect(corrected.report.corrected?.map(({ name, decision }) => [name, decision])).toEqual([
      ['fc.bias', 'correct'],
    ]);
    expect(corrected.report.copied).toEqual([]);
    expect(plain.report.corrected).toBeUndefined();
    expect(plain.report.copied.map(({ name }) => name)).toEqual(['fc.bias']);
    expect(corrected.report.tensors).toEqual(plain.report.tensors);
  });

  it('is expected by validate, and seen by compare', async () => {
    const { output } = await quantized({});
    const found = await host.validate(output, { reference: MODEL });
    expect(found.problems).toEqual([]);
    // Even with a gate that a bias far from its original would not pass.
    const gated = await host.validate(output, { reference: MODEL, failUnder: 10 });
    expect(gated.problems).toEqual([]);
    const plain = await quantized({ biasCorrection: 'off' });
    const { tensors, sqnrDb } = await host.compare(plain.output, output);
    const verdicts = tensors.map(({ name, verdict }) => [name, verdict]);
    expect(Object.fromEntries(verdicts)).toEqual({
      'fc.bias': 'corrected',
      'fc.weight': 'identical',
      'bare.weight': 'identical',
    });
    expect(tensors.find(({ name }) => name === 'fc.bias')?.maxError).toBeGreaterThan(0);
    expect(sqnrDb).toBe(null);
  });

  it('is no excuse for other changes', async () => {
    const { output } = await quantized({ biasCorrection: 'off' });
    const { tensors } = readSafetensors(output);
    const damaged = output.slice();
    const at = tensors.get('fc.bias')?.offset ?? 0;
    damaged[at + 2] = (damaged[at + 2] ?? 0) ^ 0x40;
    const { problems } = await host.validate(damaged, { reference: MODEL });
    expect(problems.map(({ code, tensor }) => [code, tensor])).toEqual([
      ['changed-tensor', 'fc.bias'],
    ]);
  });

  it('needs a calibration, and codes', async () => {
    const { message } = await failureOf(
      host.quantize(MODEL, { bits: 4, minElements: 0, biasCorrection: 'on' }),
    );
    expect(message).toContain('needs the means');
    expect((await failureOf(host.quantize(MODEL, { bits: 16, biasCorrection: 'on' }))).code).toBe(
      'invalid-options',
    );
  });
});
