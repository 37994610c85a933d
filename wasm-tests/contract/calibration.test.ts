/**
 * Calibrating with captured inputs, and what quantizing makes of it.
 * It exists because a scale that is stored once serves every later run of the model: it must be the right one.
 * Expected numbers are worked out here, from the values in the files.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Calibration, CalibrationInput, PlanOptions, Warning } from '#package';
import type { Bytes, DataFile } from '../host/host.js';
import { expectSameBytes } from '../support/bytes.js';
import { failureOf } from '../support/failures.js';
import { readFixture } from '../support/fixtures.js';
import { filled, weights } from '../support/models.js';
import { modelOf, planOf } from '../support/runs.js';
import {
  readSafetensors,
  type Tensor,
  type TensorFile,
  tensorOf,
  writeSafetensors,
} from '../support/safetensors.js';

const KINDS = ['safetensors', 'pt', 'npz'] as const;
const MODULES = ['blocks.0', 'conv', 'fc', 'head', 'lstm'];
/** Every layer of the small network. */
const ALL: PlanOptions = { minElements: 0, defaultIgnore: false };

let model: Bytes;
const files = new Map<string, DataFile>();
let values: TensorFile;

beforeAll(async () => {
  model = await readFixture('calibration/model.pt');
  for (const kind of KINDS) {
    const name = `inputs.${kind}`;
    files.set(kind, { name, bytes: await readFixture(`calibration/${name}`) });
  }
  values = readSafetensors(files.get('safetensors')?.bytes ?? new Uint8Array());
});

function dataOf(kind: string): DataFile {
  const file = files.get(kind);
  if (file === undefined) throw new Error(`There are no data of kind ${kind}.`);
  return file;
}

function asFile(tensors: readonly Tensor[], name = 'data.safetensors'): DataFile {
  return { name, bytes: writeSafetensors(tensors) };
}

function calibrated(data: readonly DataFile[], of: Bytes = model): Promise<Calibration> {
  return host.withData(data, (inputs) => host.calibrate(of, inputs));
}

/** All values of a module's batches, in order. */
function inputsOf(module: string): Float32Array {
  const batches = [0, 1, 2].map((batch) => {
    const { bytes } = tensorOf(values, `${module}#${batch}`);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  });
  return Float32Array.from(batches.flatMap((batch) => [...batch]));
}

function floatOf(file: TensorFile, name: string): number {
  const { dtype, shape, bytes } = tensorOf(file, name);
  expect({ dtype, shape }).toEqual({ dtype: 'F32', shape: [1] });
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

function codesOf(warnings: readonly Warning[] = []): string[] {
  return warnings.map(({ code }) => code);
}

describe('calibrate', () => {
  it('gives the same from every kind of file', async () => {
    const [first, ...others] = await Promise.all(KINDS.map((kind) => calibrated([dataOf(kind)])));
    expect(Object.keys(first?.modules ?? {})).toEqual(MODULES);
    for (const other of others) expect(other).toEqual(first);
  });

  it('sees what is in the data', async () => {
    const { modules, leftOut, warnings } = await calibrated([dataOf('pt')]);
    expect({ leftOut, warnings }).toEqual({ leftOut: [], warnings: [] });
    for (const module of MODULES) {
      const seen = modules[module];
      const inputs = inputsOf(module);
      expect(seen).toMatchObject({ samples: 60, batches: 3, values: inputs.length });
      const range = [Math.min(...inputs), Math.max(...inputs)];
      expect(seen?.range).toEqual(range);
      expect(seen?.histogram?.range).toEqual(range);
      const counted = seen?.histogram?.counts.reduce((sum, count) => sum + count, 0) ?? 0;
      expect(counted).toBeCloseTo(inputs.length, 0);
      const squares = inputs.reduce((sum, value) => sum + value * value, 0);
      expect(seen?.squares.reduce((sum, square) => sum + square, 0)).toBeCloseTo(squares, 4);
    }
    expect(modules.conv?.squares).toHaveLength(3);
    expect(modules.lstm?.squares).toHaveLength(16);
  });

  it('takes files one after the other, and goes on from a calibration', async () => {
    const whole = await calibrated([dataOf('safetensors')]);
    const parts = [0, 1, 2].map((batch) =>
      asFile([...values.tensors.values()].filter(({ name }) => name.endsWith(`#${batch}`))),
    );
    expect(await calibrated(parts)).toEqual(whole);
    const first = await calibrated(parts.slice(0, 1));
    expect(codesOf(first.warnings)).toEqual(['calibration-small']);
    const stored = { name: 'first.json', bytes: new TextEncoder().encode(JSON.stringify(first)) };
    expect(await calibrated([stored, ...parts.slice(1)])).toEqual(whole);
    const onwards = await host.withData(parts.slice(1), (inputs) =>
      host.calibrate(model, [first, ...inputs]),
    );
    expect(onwards).toEqual(whole);
    const failure = await failureOf(calibrated([parts[1] ?? stored, stored]));
    expect(failure).toMatchObject({ code: 'invalid-options' });
  });

  it('tells by name what does not fit', async () => {
    const few = filled('fc#0', 'F32', [49, 16], (index) => index % 7);
    const nan = filled('lstm', 'F32', [50, 16], (index) => (index === 99 ? Number.NaN : 1));
    const wide = filled('conv#0', 'F32', [50, 4, 5, 5], () => 1);
    const stranger = filled('decoder#0', 'F32', [50, 4], () => 1);
    const { modules, leftOut, warnings } = await calibrated([asFile([few, nan, wide, stranger])]);
    expect(Object.keys(modules)).toEqual(['fc']);
    expect(leftOut).toEqual(['lstm']);
    expect(warnings).toEqual([
      expect.objectContaining({ code: 'calibration-unmatched', tensors: ['decoder'] }),
      expect.objectContaining({
        code: 'calibration-unmatched',
        tensors: ['conv#0'],
        message: expect.stringMatching(/3.*50×4×5×5/),
      }),
      expect.objectContaining({ code: 'calibration-nan', tensors: ['lstm'] }),
      expect.objectContaining({ code: 'calibration-missing', tensors: ['blocks.0', 'conv'] }),
      expect.objectContaining({ code: 'calibration-small', tensors: ['fc'] }),
    ]);
  });

  it('fails where nothing fits, and with strict where anything does not', async () => {
    const stranger = asFile([filled('decoder', 'F32', [50, 4], () => 1)]);
    const wrong = await failureOf(calibrated([stranger]));
    expect(wrong).toMatchObject({ code: 'invalid-options' });
    expect(wrong.message).toContain('decoder');
    const some = asFile([filled('fc', 'F32', [50, 16], () => 1)]);
    const strict = host.withData([some], (inputs) =>
      host.calibrate(model, inputs, { strict: true }),
    );
    expect(await failureOf(strict)).toMatchObject({ code: 'strict-warnings' });
  });

  it('refuses what is no data', async () => {
    const broken = { name: 'data.npz', bytes: dataOf('npz').bytes.slice(0, 5000) };
    expect((await failureOf(calibrated([broken]))).code).toMatch(/malformed|truncated/);
    const noJson = { name: 'calibration.json', bytes: new TextEncoder().encode('{"format":') };
    expect(await failureOf(calibrated([noJson]))).toMatchObject({ code: 'malformed-file' });
    expect(await failureOf(host.calibrate(model, []))).toMatchObject({ code: 'invalid-options' });
    const nothing = host.calibrate(model, { format: 'something' } as unknown as CalibrationInput);
    expect(await failureOf(nothing)).toMatchObject({ code: 'invalid-options' });
  });

  it('can be aborted', async () => {
    const signal = AbortSignal.abort();
    const call = host.withData([dataOf('pt')], (inputs) =>
      host.calibrate(model, inputs, { signal }),
    );
    expect(await failureOf(call)).toMatchObject({ code: 'aborted' });
  });
});

describe('quantize', () => {
  const withData = (data: readonly DataFile[], options: PlanOptions, of: Bytes = model) =>
    host.withData(data, (calibration) => host.quantize(of, { ...options, calibration }));

  it('stores the scales that the data ask for', async () => {
    const { output, report, warnings } = await withData([dataOf('pt')], {
      ...ALL,
      observer: 'minmax',
    });
    const file = readSafetensors(output);
    for (const module of MODULES) {
      const inputs = inputsOf(module);
      const largest = Math.max(...inputs.map(Math.abs));
      // PyTorch's symmetric qint8: 255 steps from end to end, in f32.
      expect(floatOf(file, `${module}.input_scale`), module).toBe(Math.fround(largest / 127.5));
      expect(file.tensors.has(`${module}.input_zero_point`)).toBe(false);
    }
    expect(report.configuration).toMatchObject({ mode: 'static', observer: 'minmax' });
    expect(codesOf(warnings).filter((code) => code.startsWith('calibration'))).toEqual([]);
    const config = JSON.parse(file.metadata.quantization_config ?? '');
    expect(Object.values(config.config_groups)).toEqual([
      expect.objectContaining({
        input_activations: {
          num_bits: 8,
          type: 'int',
          symmetric: true,
          strategy: 'tensor',
          dynamic: false,
        },
      }),
    ]);
  });

  it('stores zero points of asymmetric inputs', async () => {
    const { output } = await withData([dataOf('npz')], {
      ...ALL,
      observer: 'minmax',
      inputScheme: 'asymmetric',
    });
    const file = readSafetensors(output);
    for (const module of MODULES) {
      const inputs = inputsOf(module);
      const lowest = Math.min(...inputs, 0);
      const scale = Math.fround(Math.fround(Math.max(...inputs, 0) - lowest) / 255);
      expect(floatOf(file, `${module}.input_scale`), module).toBe(scale);
      const zeroPoint = tensorOf(file, `${module}.input_zero_point`);
      expect({ dtype: zeroPoint.dtype, shape: zeroPoint.shape }).toEqual({
        dtype: 'I8',
        shape: [1],
      });
      const code = ((zeroPoint.bytes[0] ?? 0) << 24) >> 24;
      expect(Math.abs(code - (-128 - lowest / scale)), module).toBeLessThanOrEqual(0.5 + 1e-4);
    }
  });

  it('gives the same bytes from data as from their calibration', async () => {
    for (const options of [
      { ...ALL },
      { ...ALL, bits: 4, groupSize: 16, method: 'mse' } as const,
    ]) {
      const direct = await withData([dataOf('safetensors')], options);
      const calibration = await calibrated([dataOf('safetensors')]);
      const stored = await host.quantize(model, { ...options, calibration });
      expectSameBytes(stored.output, direct.output, 'from an object');
      const json = new TextEncoder().encode(JSON.stringify(calibration));
      const read = await withData([{ name: 'calibration.json', bytes: json }], options);
      expectSameBytes(read.output, direct.output, 'from a file');
    }
  });

  it('says what it chose, and why', async () => {
    const calibration = await calibrated([dataOf('pt')]);
    const plan = await planOf(model, { ...ALL, calibration });
    const { report } = await host.quantize(model, { ...ALL, calibration });
    const inputs = plan.tensors.flatMap(({ input }) => input ?? []);
    expect(inputs.length).toBeGreaterThanOrEqual(MODULES.length);
    for (const input of inputs) {
      const errors = new Map(
        input.estimates.map(({ observer, meanSquaredError }) => [observer, meanSquaredError]),
      );
      expect(errors.size).toBe(4);
      const least = Math.min(...[...errors.values()].map((error) => error ?? Number.MAX_VALUE));
      expect(errors.get(input.observer)).toBe(least);
    }
    for (const { name, input } of report.tensors) {
      expect(input).toEqual(plan.tensors.find((planned) => planned.name === name)?.input);
    }
  });

  it('leaves layers without data dynamic, in a group of their own', async () => {
    const some = [...values.tensors.values()].filter(({ name }) => !name.startsWith('fc'));
    const { output, warnings } = await withData([asFile(some)], ALL);
    const file = readSafetensors(output);
    expect(file.tensors.has('fc.input_scale')).toBe(false);
    expect(file.tensors.has('head.input_scale')).toBe(true);
    expect(warnings).toContainEqual(
      expect.objectContaining({ code: 'calibration-missing', tensors: ['fc.weight'] }),
    );
    const groups = Object.values(
      JSON.parse(file.metadata.quantization_config ?? '').config_groups,
    ) as { targets: string[]; input_activations: { dynamic: boolean } }[];
    const dynamic = groups.filter(({ input_activations }) => input_activations.dynamic);
    expect(dynamic.map(({ targets }) => targets)).toEqual([['fc']]);
    expect(groups).toHaveLength(2);
  });

  it('weighs the errors of searches by the inputs', async () => {
    // One input of 64 is a hundred times as large as the others: its column decides.
    const layer = [weights('a.weight', 'F32', [32, 64]), weights('lm_head.weight', 'F32', [8, 64])];
    const loud = (index: number) => (index % 64 === 5 ? 100 : 1) * Math.sin(index);
    const data = asFile([filled('a', 'F32', [64, 64], loud)]);
    const options: PlanOptions = { bits: 4, groupSize: 64, method: 'mse', scaleType: 'F32' };
    const weighed = await withData([data], options, modelOf(layer));
    const plain = await host.quantize(modelOf(layer), options);
    const errorOf = async (output: Bytes) => {
      const codes = tensorOf(readSafetensors(output), 'a.weight_packed');
      const scales = tensorOf(readSafetensors(output), 'a.weight_scale');
      const words = new DataView(codes.bytes.buffer, codes.bytes.byteOffset);
      const steps = new DataView(scales.bytes.buffer, scales.bytes.byteOffset);
      const source = layer[0]?.bytes ?? new Uint8Array();
      const exact = new DataView(source.buffer, source.byteOffset);
      let column = 0;
      for (let row = 0; row < 32; row++) {
        const word = words.getInt32(row * 32, true);
        const code = ((word >>> (5 * 4)) & 15) - 8;
        const error =
          exact.getFloat32((row * 64 + 5) * 4, true) - code * steps.getFloat32(row * 4, true);
        column += error * error;
      }
      return column;
    };
    expect(await errorOf(weighed.output)).toBeLessThan(0.5 * (await errorOf(plain.output)));
    expect(weighed.report.configuration.mode).toBe('weights-only');
  });

  it('says what a stored scale costs, and which layers lose much', async () => {
    const outlier = 2000;
    const inputs = filled('fc', 'F32', [64, 16], (index) =>
      index === 5 ? outlier : Math.sin(index * 7.1),
    );
    const layer = modelOf([weights('fc.weight', 'F32', [32, 16], 1)]);
    const lossy = await withData([asFile([inputs])], { ...ALL, minInputSqnr: 0 }, layer);
    const warning = lossy.warnings.find(({ code }) => code === 'calibration-lossy');
    expect(warning).toMatchObject({ tensors: ['fc'], total: 1 });
    // A step of 2000 / 127.5 leaves nothing of values up to 1: of 15 channels out of 16.
    const [tensor] = lossy.report.tensors;
    const sqnrDb = tensor?.input?.sqnrDb ?? 100;
    expect(sqnrDb).toBeLessThan(3);
    expect(warning?.message).toContain(`"fc" ${sqnrDb.toFixed(0)} dB`);
    expect(warning?.message).toMatch(/leave/i);
    const usual = await withData(
      [asFile([filled('fc', 'F32', [64, 16], (index) => Math.sin(index * 7.1))])],
      ALL,
      layer,
    );
    expect(codesOf(usual.warnings)).not.toContain('calibration-lossy');
    // A sine of 1 has a mean square of 1/2; rounding to steps of 1 / 127.5 costs a twelfth of their square.
    const expected = 10 * Math.log10(0.5 * 12 * 127.5 ** 2);
    const found = usual.report.tensors[0]?.input?.sqnrDb ?? 0;
    expect(Math.abs(found - expected)).toBeLessThan(1);
    const dynamic = await withData([asFile([inputs])], { ...ALL, dynamic: true }, layer);
    expect(codesOf(dynamic.warnings)).not.toContain('calibration-lossy');
  });

  it('leaves layers dynamic of whose inputs a stored scale would leave too little', async () => {
    const rows = (name: string, outlier: number) =>
      filled(name, 'F32', [64, 16], (index) => (index === 5 ? outlier : Math.sin(index * 7.1)));
    const layers = modelOf([
      weights('up.weight', 'F32', [32, 16], 1),
      weights('down.weight', 'F32', [32, 16], 2),
    ]);
    const data = [asFile([rows('up', 1), rows('down', 2000)])];
    const { report, warnings } = await withData(data, ALL, layers);
    const isStatic = report.tensors.map(({ name, input }) => [name, input !== undefined]);
    expect(Object.fromEntries(isStatic)).toEqual({ 'up.weight': true, 'down.weight': false });
    expect(codesOf(warnings)).not.toContain('calibration-lossy');
    const groups = Object.values(report.outputConfig.quantization?.config_groups ?? {});
    expect(groups.map(({ input_activations }) => input_activations?.dynamic).sort()).toEqual([
      false,
      true,
    ]);
    const none = await withData(data, { ...ALL, minInputSqnr: 100 }, layers);
    expect(none.report.tensors.every(({ input }) => input === undefined)).toBe(true);
    const all = await withData(data, { ...ALL, minInputSqnr: 0 }, layers);
    expect(all.report.tensors.every(({ input }) => input !== undefined)).toBe(true);
  });

  it('writes static scales into .pt as well', async () => {
    const calibration = await calibrated([dataOf('pt')]);
    const zip = await host.quantize(model, { ...ALL, calibration, container: 'pt' });
    const plain = await host.quantize(model, { ...ALL, calibration });
    const back = await host.convert(zip.output, { key: '' });
    const expected = readSafetensors(plain.output);
    const found = readSafetensors(back.output);
    expect([...found.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
    for (const module of MODULES) {
      const name = `${module}.input_scale`;
      expectSameBytes(tensorOf(found, name).bytes, tensorOf(expected, name).bytes, name);
    }
  });

  it('repeats from its own report', async () => {
    await host.withData([dataOf('pt')], async (calibration) => {
      const first = await host.quantize(model, { ...ALL, calibration, observer: 'percentile' });
      const { calibration: names, ...configuration } = first.report.configuration;
      expect(names).toHaveLength(1);
      const again = await host.quantize(model, { ...configuration, calibration });
      expectSameBytes(again.output, first.output, 'the same choices');
    });
  });
});

describe('options', () => {
  const fails = async (options: PlanOptions) => {
    const failure = await failureOf(host.quantize(model, options));
    expect(failure).toMatchObject({ code: 'invalid-options' });
    return failure;
  };

  it('static without data says how to capture them', async () => {
    const { message, suggestion } = await fails({ static: true });
    expect(message).toContain('calibration');
    expect(suggestion).toContain('README');
    await fails({ mode: 'static' });
    await fails({ static: true, calibration: [] });
  });

  it('contradictions are told', async () => {
    const calibration = await calibrated([dataOf('pt')]);
    for (const options of [
      { static: true, dynamic: true, calibration },
      { static: true, weightsOnly: true, calibration },
      { static: true, bits: 4, calibration },
      { bits: 16, calibration },
      { mode: 'dynamic', static: true, calibration },
      { dynamic: true, observer: 'minmax', calibration },
      { observer: 'minmax' },
      { inputScheme: 'asymmetric', weightsOnly: true, calibration },
      { observer: 'minmax', percentile: 99, calibration },
      { percentile: 50, calibration },
      { percentile: 101, calibration },
      { groupSize: 32, calibration },
    ] as const satisfies readonly PlanOptions[]) {
      await fails(options);
    }
  });

  it('data decide the mode unless somebody says otherwise', async () => {
    const calibration = await calibrated([dataOf('pt')]);
    const modeOf = async (options: PlanOptions) =>
      (await planOf(model, { ...ALL, ...options })).configuration.mode;
    expect(await modeOf({})).toBe('dynamic');
    expect(await modeOf({ calibration })).toBe('static');
    expect(await modeOf({ calibration, dynamic: true })).toBe('dynamic');
    expect(await modeOf({ calibration, static: false })).toBe('dynamic');
    expect(await modeOf({ calibration, weightsOnly: true })).toBe('weights-only');
    expect(await modeOf({ calibration, bits: 4, groupSize: 16 })).toBe('weights-only');
    expect(await modeOf({ calibration, mode: 'dynamic' })).toBe('dynamic');
  });

  it('a calibration that was changed is refused', async () => {
    const calibration = await calibrated([dataOf('pt')]);
    const { fc } = calibration.modules;
    if (fc === undefined) throw new Error('There is no fc.');
    for (const change of [
      { samples: -1 },
      { squares: [] },
      { range: [2, 1] as const },
      { histogram: null },
      { surprise: true },
    ]) {
      const changed = { ...calibration.modules, fc: { ...fc, ...change } };
      const failure = await fails({ calibration: { ...calibration, modules: changed } });
      expect(failure).toMatchObject({ tensor: 'fc', message: expect.stringContaining('fc') });
    }
  });
});
