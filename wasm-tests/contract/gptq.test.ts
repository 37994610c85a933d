/**
 * The method that needs captured inputs while it rounds, from files of captured inputs to what layers compute.
 * It exists because these inputs take a way of their own through every host: to each worker, for the time of the run.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import type { DataFile } from '../host/host.js';
import { expectSameBytes } from '../support/bytes.js';
import { failureOf } from '../support/failures.js';
import { filled, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { writeSafetensors } from '../support/safetensors.js';

const WIDTH = 128;
const OPTIONS: PlanOptions = { bits: 4, groupSize: 32, minElements: 0 };
const MODEL = writeSafetensors([
  weights('up.weight', 'F32', [96, WIDTH], 1),
  weights('down.weight', 'BF16', [64, WIDTH], 2),
  weights('conv.weight', 'F32', [8, 8, 3, 3], 3),
]);

/** Samples whose columns move together, as those of layers do. */
function inputs(name: string, samples: number, seed: number) {
  const random = new Random(seed);
  const shared = [0, 0, 0, 0];
  return filled(name, 'F32', [samples, WIDTH], (index) => {
    const column = index % WIDTH;
    if (column === 0) for (const i of shared.keys()) shared[i] = random.bell();
    return (shared[column % 4] ?? 0) * (1 + (column % 7)) + 0.3 * random.bell();
  });
}

const DATA: readonly DataFile[] = [
  {
    name: 'one.safetensors',
    bytes: writeSafetensors([inputs('up#0', 80, 4), inputs('down', 120, 5)]),
  },
  { name: 'two.safetensors', bytes: writeSafetensors([inputs('up#1', 70, 6)]) },
];

function quantized(options: PlanOptions & { readonly failUnder?: number }, threads?: number) {
  return host.withData(DATA, (calibration) =>
    host.quantize(MODEL, { ...OPTIONS, ...options, calibration, ...(threads && { threads }) }),
  );
}

describe('gptq', () => {
  it('keeps more of what linear layers compute, and says where', async () => {
    const [gptq, mse] = [await quantized({ method: 'gptq' }), await quantized({ method: 'mse' })];
    const outputs = async (file: typeof gptq) => {
      const { tensors } = await host.withData(DATA.slice(0, 1), (calibration) =>
        host.validate(file.output, { reference: MODEL, calibration }),
      );
      return new Map(tensors.map(({ name, run }) => [name, run?.sqnrDb ?? 0]));
    };
    const [better, worse] = [await outputs(gptq), await outputs(mse)];
    for (const layer of ['up.weight', 'down.weight']) {
      expect(better.get(layer)).toBeGreaterThan((worse.get(layer) ?? 0) + 3);
    }
    const methods = gptq.report.tensors.map(({ name, quantization }) => [
      name,
      quantization?.method,
    ]);
    expect(Object.fromEntries(methods)).toEqual({
      'conv.weight': 'mse',
      'down.weight': 'gptq',
      'up.weight': 'gptq',
    });
  });

  it('is what 4 bits are with inputs at hand, and no other bits', async () => {
    const [asked, best] = [await quantized({ method: 'gptq' }), await quantized({})];
    expectSameBytes(best.output, asked.output, 'as asked for');
    expect(best.report.warnings).toEqual(asked.report.warnings);
    const { report } = await quantized({ bits: 8, groupSize: -1 });
    expect(report.tensors.map(({ quantization }) => quantization?.method)).toEqual([
      'rtn',
      'rtn',
      'rtn',
    ]);
  });

  it('is not done with a calibration, which has none', async () => {
    const calibration = await host.withData(DATA, (data) => host.calibrate(MODEL, data));
    const { report } = await host.quantize(MODEL, { ...OPTIONS, calibration });
    expect(report.tensors.map(({ quantization }) => quantization?.method)).toEqual([
      'mse',
      'mse',
      'mse',
    ]);
    // Layers of which only the data beside it know have both.
    const [up, down] = [inputs('up', 150, 7), inputs('down', 150, 8)].map((tensor, index) => ({
      name: `${index}.safetensors`,
      bytes: writeSafetensors([tensor]),
    }));
    if (up === undefined || down === undefined) throw new Error('two files');
    const told = await host.withData([down], (data) => host.calibrate(MODEL, data));
    const mixed = await host.withData([up], (data) =>
      host.quantize(MODEL, { ...OPTIONS, calibration: [told, data].flat() }),
    );
    const methods = mixed.report.tensors.map(({ quantization }) => quantization?.method);
    expect(methods).toEqual(['mse', 'mse', 'gptq']);
  });

  it('says what layers compute, as executing them shows, and is judged by that', async () => {
    const gptq = await quantized({ method: 'gptq' });
    const { tensors } = await host.withData(DATA.slice(0, 1), (calibration) =>
      host.validate(gptq.output, { reference: MODEL, calibration }),
    );
    const [down] = gptq.report.tensors.filter(({ name }) => name === 'down.weight');
    const run = tensors.find(({ name }) => name === 'down.weight')?.run;
    // Only some of the samples are executed.
    expect(Math.abs((down?.outputSqnrDb ?? 0) - (run?.sqnrDb ?? 99))).toBeLessThan(1.5);
    expect(down?.outputSqnrDb).toBeGreaterThan((down?.sqnrDb ?? 99) + 5);
    expect(gptq.report.outputSqnrDb).toBeGreaterThan(gptq.report.sqnrDb ?? 99);
    // Between what the weights of these have kept and what their outputs have.
    const failUnder = (down?.sqnrDb ?? 0) + 2;
    const linear = { method: 'gptq', layers: ['linear'], failUnder } as const;
    expect((await quantized(linear)).report.tensors).toHaveLength(2);
    const failure = await failureOf(
      quantized({ ...linear, failUnder: (down?.outputSqnrDb ?? 0) + 2 }),
    );
    expect(failure).toMatchObject({
      code: 'quality-gate',
      message: expect.stringContaining('of its output'),
    });
    const { report } = await host.quantize(MODEL, OPTIONS);
    expect(report.outputSqnrDb).toBeNull();
    expect(report.tensors.every(({ outputSqnrDb }) => outputSqnrDb === undefined)).toBe(true);
  });

  it('gives the same bytes with any number of threads', async () => {
    const [one, ...others] = await Promise.all(
      [1, 2, 3].map((n) => quantized({ method: 'gptq' }, n)),
    );
    for (const other of others) {
      expectSameBytes(
        other?.output ?? new Uint8Array(),
        one?.output ?? new Uint8Array(1),
        'output',
      );
    }
  });

  it('can be chosen for single layers', async () => {
    const { report } = await quantized({
      method: 'mse',
      overrides: [{ pattern: 'up.*', method: 'gptq' }],
    });
    const methods = report.tensors.map(({ quantization }) => quantization?.method);
    expect(methods.filter((method) => method === 'gptq')).toHaveLength(1);
  });

  it('is refused without captured inputs, before any work', async () => {
    const nothing = await failureOf(host.quantize(MODEL, { ...OPTIONS, method: 'gptq' }));
    expect(nothing).toMatchObject({ code: 'invalid-options' });
    const counted = await host.withData(DATA, (data) => host.calibrate(MODEL, data));
    const options = { ...OPTIONS, method: 'gptq', calibration: counted } as const;
    const failures = [
      await failureOf(host.quantize(MODEL, options)),
      await failureOf(host.open(MODEL).then((model) => model.plan(options))),
    ];
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'invalid-options' });
      expect(failure.message).toContain('captured inputs');
    }
  });
});
