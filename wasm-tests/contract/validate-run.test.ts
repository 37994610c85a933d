/**
 * Validating executes each quantized layer and says how near its outputs are.
 * It exists because the error of weights alone does not say what a model will compute.
 * Bounds are measured ones of bell-shaped weights on bell-shaped inputs, with some room.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { LayerRun, PlanOptions, ValidateOptions, Validation } from '#package';
import type { Bytes, DataFile } from '../host/host.js';
import { failureOf } from '../support/failures.js';
import { filled, LAYERS, mixedModel, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { modelOf } from '../support/runs.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../support/safetensors.js';
import { checkValidation } from '../support/schema.js';

const LINEAR = modelOf([weights('up.weight', 'F32', [96, 256])]);
const DYNAMIC: PlanOptions = { bits: 8, dynamic: true };

async function quantized(source: Bytes, options: PlanOptions): Promise<Bytes> {
  return (await host.quantize(source, { ...options, threads: 1 })).output;
}

async function validation(file: Bytes, options: ValidateOptions<Bytes> = {}): Promise<Validation> {
  return checkValidation(await host.validate(file, { threads: 1, ...options }));
}

function runOf({ tensors }: Validation, name: string): LayerRun {
  const run = tensors.find((tensor) => tensor.name === name)?.run;
  if (run === undefined) throw new Error(`${name} was not executed.`);
  return run;
}

async function linearRun(options: PlanOptions): Promise<LayerRun> {
  const file = await quantized(LINEAR, options);
  const found = await validation(file, { reference: LINEAR });
  const run = runOf(found, 'up.weight');
  expect(found.outputSqnrDb).toBe(run.sqnrDb); // the only layer
  return run;
}

/** Captured inputs of a module, not alike those that are seeded. */
function captured(module: string, samples: number, width: number): DataFile {
  const random = new Random(31);
  const values = (_: number) => 2 + random.bell();
  return {
    name: 'inputs.safetensors',
    bytes: writeSafetensors([filled(module, 'F32', [samples, width], values)]),
  };
}

/** The file with one float of a tensor multiplied. */
function scaled(file: Bytes, name: string, factor: number): Bytes {
  const { tensors, metadata } = readSafetensors(file);
  const rewritten = [...tensors.values()].map((tensor): Tensor => {
    if (tensor.name !== name) return tensor;
    const bytes = tensor.bytes.slice();
    const view = new DataView(bytes.buffer);
    view.setFloat32(0, view.getFloat32(0, true) * factor, true);
    return { ...tensor, bytes };
  });
  return writeSafetensors(rewritten, { ...metadata });
}

describe('outputs of a linear layer', () => {
  it('lose little with INT8, less without activations in INT8, and more with INT4', async () => {
    const dynamic = await linearRun(DYNAMIC);
    expect(dynamic).toMatchObject({ mode: 'dynamic', inputs: 'seeded', samples: 64 });
    expect(dynamic.sqnrDb).toBeGreaterThan(30);
    expect(dynamic.cosine).toBeGreaterThan(0.999);
    const weightsOnly = await linearRun({ bits: 8, weightsOnly: true });
    expect(weightsOnly.mode).toBe('weights-only');
    expect(weightsOnly.sqnrDb).toBeGreaterThan(dynamic.sqnrDb ?? Infinity);
    const four = await linearRun({ bits: 4 });
    expect(four.mode).toBe('weights-only');
    expect(four.sqnrDb).toBeLessThan((dynamic.sqnrDb ?? 0) - 10);
    expect(four.sqnrDb).toBeGreaterThan(15);
  });

  it('are the same in every run', async () => {
    expect(await linearRun(DYNAMIC)).toEqual(await linearRun(DYNAMIC));
  });

  it('show the damage of a scale, with and without its weights being compared', async () => {
    const file = await quantized(LINEAR, DYNAMIC);
    const good = runOf(await validation(file, { reference: LINEAR }), 'up.weight');
    const damaged = scaled(file, 'up.weight_scale', 3);
    const bad = runOf(await validation(damaged, { reference: LINEAR }), 'up.weight');
    expect(bad.sqnrDb).toBeLessThan((good.sqnrDb ?? 0) - 10);
    expect(bad.cosine).toBeLessThan(good.cosine);
  });

  it('are measured without a reference, as far as activations go', async () => {
    const found = await validation(await quantized(LINEAR, DYNAMIC));
    expect(found.hasReference).toBe(false);
    const { sqnrDb } = runOf(found, 'up.weight');
    expect(sqnrDb).toBeGreaterThan((await linearRun(DYNAMIC)).sqnrDb ?? Infinity);
    const exact = await validation(await quantized(LINEAR, { bits: 4 }));
    expect(runOf(exact, 'up.weight').sqnrDb).toBeNull();
    expect(exact.outputSqnrDb).toBeNull();
  });
});

describe('captured inputs', () => {
  const data = captured('up', 60, 256);

  it('are what layers with stored scales are executed on', async () => {
    await host.withData([data], async (calibration) => {
      const options: PlanOptions = { bits: 8, static: true, calibration };
      const file = await quantized(LINEAR, options);
      const [input] = calibration;
      if (input === undefined) throw new Error('There are no data.');
      const found = await validation(file, { reference: LINEAR, calibration: input });
      expect(found.problems).toEqual([]);
      const run = runOf(found, 'up.weight');
      expect(run).toMatchObject({ mode: 'static', inputs: 'captured', samples: 60 });
      expect(run.sqnrDb).toBeGreaterThan(30);
      // Seeded inputs are none that the scale was made for.
      const seeded = runOf(await validation(file, { reference: LINEAR }), 'up.weight');
      expect(seeded).toMatchObject({ mode: 'static', inputs: 'seeded' });

      const narrow = scaled(file, 'up.input_scale', 1 / 8); // clips
      const clipped = runOf(
        await validation(narrow, { reference: LINEAR, calibration: input }),
        'up.weight',
      );
      expect(clipped.sqnrDb).toBeLessThan(15);
      const broken = await validation(scaled(file, 'up.input_scale', Number.NaN));
      expect(broken.problems.map(({ code }) => code)).toContain('bad-output');
    });
  });

  it('have to fit, and to be inputs', async () => {
    const file = await quantized(LINEAR, DYNAMIC);
    await host.withData([captured('down', 60, 256)], async ([calibration]) => {
      if (calibration === undefined) throw new Error('There are no data.');
      await failureOf(validation(file, { calibration }), 'invalid-options');
    });
    await host.withData([data], async ([input]) => {
      if (input === undefined) throw new Error('There are no data.');
      const calibration = await host.calibrate(LINEAR, input);
      await failureOf(validation(file, { calibration }), 'invalid-options');
      await failureOf(validation(file, { calibration: input, run: false }), 'invalid-options');
    });
  });
});

describe('all kinds of layers', () => {
  const model = modelOf(mixedModel('F32'));

  it.each<PlanOptions>([DYNAMIC, { bits: 8, scheme: 'asymmetric' }, { bits: 4, groupSize: 32 }])(
    'are executed: %j',
    async (options) => {
      const found = await validation(await quantized(model, options), { reference: model });
      expect(found.problems).toEqual([]);
      for (const { name } of LAYERS) {
        const { sqnrDb, cosine } = runOf(found, name);
        expect(sqnrDb, name).toBeGreaterThan(options.bits === 4 ? 12 : 28);
        expect(cosine, name).toBeGreaterThan(0.96);
      }
      const both = ['lstm.weight_ih_l0', 'lstm.weight_hh_l0'].map((name) => runOf(found, name));
      expect(both[0]).toEqual(both[1]); // one layer
    },
  );

  it('say why they were not executed, and which inputs were not used', async () => {
    const file = await quantized(model, DYNAMIC);
    const bytes = writeSafetensors([
      filled('fc', 'F32', [60, 160], (index) => Math.sin(index)),
      filled('typo_layer', 'F32', [60, 160], () => 1),
    ]);
    await host.withData([{ name: 'inputs.safetensors', bytes }], async ([calibration]) => {
      if (calibration === undefined) throw new Error('There are no data.');
      const found = await validation(file, { calibration });
      expect(runOf(found, 'fc.weight').inputs).toBe('captured');
      expect(found.warnings.flatMap(({ tensors }) => tensors)).toEqual(['typo_layer']);
      for (const { name, run, notRun } of found.tensors) {
        expect((run === undefined) !== (notRun === undefined), name).toBe(true);
      }
    });
  });

  it('are not executed where nobody wants it', async () => {
    const file = await quantized(model, DYNAMIC);
    const found = await validation(file, { reference: model, run: false });
    expect(found.outputSqnrDb).toBeNull();
    for (const tensor of found.tensors) expect(tensor).not.toHaveProperty('run');
  });
});
