/**
 * A quantized file is valid as it was written, and not valid after any damage.
 * It exists because a gate that never closes is worse than none.
 * Files are damaged here by rewriting them, without the engine.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions, ProblemCode, Validation } from '#package';
import type { Bytes } from '../host/host.js';
import { failureOf } from '../support/failures.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../support/safetensors.js';
import { checkValidation } from '../support/schema.js';

const SCHEMES: readonly PlanOptions[] = [
  { bits: 8 },
  { bits: 8, scheme: 'asymmetric' },
  { bits: 8, strategy: 'tensor' },
  { bits: 8, weightsOnly: true, groupSize: 32, scheme: 'asymmetric' },
  { bits: 4, groupSize: 32 },
  { bits: 4, groupSize: 32, scheme: 'asymmetric' },
  { bits: 4, strategy: 'channel', method: 'rtn' },
];

const model = modelOf(mixedModel('F32'));
const inHalves = modelOf(mixedModel('BF16'));

async function quantized(options: PlanOptions, source = model): Promise<Bytes> {
  return (await host.quantize(source, { ...options, threads: 1 })).output;
}

async function validation(file: Bytes, reference?: Bytes): Promise<Validation> {
  const options = { threads: 1, ...(reference === undefined ? {} : { reference }) };
  return checkValidation(await host.validate(file, options));
}

/** The codes of all problems, each once. */
async function problemsOf(file: Bytes, reference?: Bytes): Promise<readonly ProblemCode[]> {
  const { valid, problems } = await validation(file, reference);
  expect(valid).toBe(problems.length === 0);
  for (const { message } of problems) expect(message).toMatch(/[^.]\.$/);
  return [...new Set(problems.map(({ code }) => code))].sort();
}

type Change = (tensor: Tensor) => Tensor | undefined;

/** The file with some tensors changed, or left out. */
function changed(
  file: Bytes,
  changes: Readonly<Record<string, Change>>,
  metadata: (given: Readonly<Record<string, string>>) => Record<string, string> = (m) => ({ ...m }),
): Bytes {
  const { tensors, metadata: given } = readSafetensors(file);
  const found = new Set<string>();
  const rewritten = [...tensors.values()].flatMap((tensor) => {
    const change = changes[tensor.name];
    if (change === undefined) return [tensor];
    found.add(tensor.name);
    const result = change(tensor);
    return result === undefined ? [] : [result];
  });
  expect([...found].sort()).toEqual(Object.keys(changes).sort());
  return writeSafetensors(rewritten, metadata(given));
}

const withBytes =
  (edit: (bytes: Bytes) => void): Change =>
  (tensor) => {
    const bytes = tensor.bytes.slice();
    edit(bytes);
    return { ...tensor, bytes };
  };

const withFloat = (index: number, value: number): Change =>
  withBytes((bytes) => new DataView(bytes.buffer).setFloat32(index * 4, value, true));

describe('what was written', () => {
  it.each(SCHEMES)('is valid: %j', async (options) => {
    for (const source of [model, inHalves]) {
      const file = await quantized(options, source);
      expect(await problemsOf(file)).toEqual([]);
      const beside = await validation(file, source);
      expect(beside.problems).toEqual([]);
      expect(beside).toMatchObject({ valid: true, hasReference: true });
      expect(beside.tensors.length).toBeGreaterThan(8);
    }
  });

  it('has the quality that its report says', async () => {
    const { report, output } = await host.quantize(model, { bits: 4, threads: 1 });
    const { tensors, sqnrDb } = await validation(output, model);
    expect(sqnrDb).toBeCloseTo(report.sqnrDb ?? 0, 3);
    for (const { name, sqnrDb: found, maxError } of tensors) {
      const reported = report.tensors.find((tensor) => tensor.name === name);
      expect(found, name).toBeCloseTo(reported?.sqnrDb ?? 0, 3);
      expect(maxError, name).toBeCloseTo(reported?.maxError ?? 0, 6);
    }
  });

  it('is valid as .pt, too', async () => {
    const options = { bits: 4, groupSize: 32, container: 'pt' } as const;
    expect(await problemsOf(await quantized(options), model)).toEqual([]);
  });

  it('can check and dequantize itself', async () => {
    const { validation: own, values } = await host.checkedResult(model, { bits: 8, threads: 1 });
    expect(own).toMatchObject({ valid: true, hasReference: true });
    expect(readSafetensors(values).tensors.get('fc.weight')?.dtype).toBe('F32');
  });
});

describe('damage', () => {
  it('of one code is found where it is none', async () => {
    // Rows of 33 codes leave seven places of their last word empty.
    const ragged = modelOf([weights('ragged.weight', 'F32', [20, 33])]);
    const file = await quantized({ bits: 4, strategy: 'channel' }, ragged);
    const flipped = changed(file, {
      'ragged.weight_packed': withBytes((bytes) => {
        bytes[5 * 20 - 1] = (bytes[5 * 20 - 1] ?? 0) ^ 0x40;
      }),
    });
    expect(await problemsOf(flipped)).toEqual(['bad-code']);
  });

  it.each(SCHEMES)('of one code is found beside the reference: %j', async (options) => {
    const file = await quantized(options);
    const name = options.bits === 4 || options.weightsOnly ? 'fc.weight_packed' : 'fc.weight';
    for (const at of [0, 100]) {
      const flipped = changed(file, {
        [name]: withBytes((bytes) => {
          bytes[at] = (bytes[at] ?? 0) ^ 0x12;
        }),
      });
      expect(await problemsOf(flipped, model), `byte ${at}`).toEqual(['wrong-code']);
    }
  });

  it('of swapped scales is found beside the reference', async () => {
    for (const options of SCHEMES.filter(({ strategy }) => strategy !== 'tensor')) {
      const swapped = changed(await quantized(options), {
        'fc.weight_scale': withBytes((bytes) => {
          const [first, second] = [bytes.slice(0, 4), bytes.slice(4, 8)];
          bytes.set(second, 0);
          bytes.set(first, 4);
        }),
      });
      expect(await problemsOf(swapped, model), JSON.stringify(options)).toEqual(['wrong-code']);
    }
  });

  it.each([
    [0, 'bad-scale'],
    [Number.NaN, 'bad-scale'],
    [Number.POSITIVE_INFINITY, 'bad-scale'],
    [-0.01, 'negative-scale'],
  ] as const)('of a scale that becomes %d is found', async (value, code) => {
    const file = await quantized({ bits: 8 });
    const bad = changed(file, { 'fc.weight_scale': withFloat(3, value) });
    expect(await problemsOf(bad)).toEqual([code]);
  });

  it('of signs is none where the search chooses them', async () => {
    const file = await quantized({ bits: 4, groupSize: 32 });
    const negative = changed(file, { 'fc.weight_scale': withFloat(3, -0.01) });
    expect(await problemsOf(negative)).toEqual([]);
  });

  it.each([
    [{ bits: 8 }, 'fc.weight_scale'],
    [{ bits: 4, groupSize: 32 }, 'fc.weight_scale'],
    [{ bits: 8, strategy: 'tensor' }, 'image.weight_scale'],
  ] as const)('of missing scales is found: %j', async (options, name) => {
    const file = changed(await quantized(options), { [name]: () => undefined });
    expect(await problemsOf(file)).toContain('missing-scale');
  });

  it('of a missing shape, or one that does not fit, is found', async () => {
    const file = await quantized({ bits: 4, groupSize: 32 });
    const missing = changed(file, { 'fc.weight_shape': () => undefined });
    expect(await problemsOf(missing)).toContain('missing-shape');
    const wrong = changed(file, {
      'fc.weight_shape': withBytes((bytes) => {
        bytes[8] = 200;
      }),
    });
    expect(await problemsOf(wrong)).toContain('wrong-shape');
  });

  it('of scales of another shape is found', async () => {
    const file = await quantized({ bits: 8 });
    const shorter: Change = (tensor) => ({
      ...tensor,
      shape: [23, 1],
      bytes: tensor.bytes.slice(0, 23 * 4),
    });
    expect(await problemsOf(changed(file, { 'fc.weight_scale': shorter }))).toContain(
      'wrong-shape',
    );
  });

  it('of missing codes is found', async () => {
    const file = await quantized({ bits: 4, groupSize: 32 });
    const bare = changed(file, { 'fc.weight_packed': () => undefined });
    expect(await problemsOf(bare)).toEqual(['leftover-part']);
    expect(await problemsOf(bare, model)).toContain('missing-tensor');
  });

  it('of a file that was cut off is found', async () => {
    const file = await quantized({ bits: 8 });
    expect(await problemsOf(file.slice(0, -100))).toEqual(['unreadable']);
    expect(await problemsOf(new Uint8Array(0))).toEqual(['unreadable']);
  });

  it('of what was only copied is found beside the reference', async () => {
    const file = await quantized({ bits: 8 });
    const other = changed(file, { 'norm.weight': withFloat(0, 9) });
    expect(await problemsOf(other)).toEqual([]);
    expect(await problemsOf(other, model)).toEqual(['changed-tensor']);
  });
});

describe('the configuration', () => {
  type Config = {
    config_groups: Record<string, { weights: Record<string, unknown>; targets: string[] }>;
    ignore: string[];
  };

  async function withConfig(
    options: PlanOptions,
    edit: (config: Config) => void,
  ): Promise<readonly ProblemCode[]> {
    const file = changed(await quantized(options), {}, (metadata) => {
      const config = JSON.parse(metadata.quantization_config ?? '') as Config;
      edit(config);
      return { ...metadata, quantization_config: JSON.stringify(config) };
    });
    return problemsOf(file);
  }

  const group = (config: Config) =>
    Object.values(config.config_groups)[0] as never as Config['config_groups'][string];

  it('that has fewer bits than codes of a byte each is found by the codes', async () => {
    const few = (config: Config) => Object.assign(group(config).weights, { num_bits: 4 });
    expect(await withConfig({ bits: 8 }, few)).toEqual(['bad-code']);
  });

  it.each([
    [
      'bits',
      { bits: 4, groupSize: 32 },
      (config: Config) => Object.assign(group(config).weights, { num_bits: 8 }),
    ],
    [
      'symmetry',
      { bits: 8 },
      (config: Config) => Object.assign(group(config).weights, { symmetric: false }),
    ],
    [
      'strategy',
      { bits: 8 },
      (config: Config) => Object.assign(group(config).weights, { strategy: 'tensor' }),
    ],
    [
      'group size',
      { bits: 4, groupSize: 32 },
      (config: Config) => Object.assign(group(config).weights, { group_size: 64 }),
    ],
    [
      'targets',
      { bits: 8 },
      (config: Config) => Object.assign(group(config), { targets: ['Linear'] }),
    ],
    ['ignored', { bits: 8 }, (config: Config) => Object.assign(config, { ignore: ['fc'] })],
    ['nothing ignored', { bits: 8 }, (config: Config) => Object.assign(config, { ignore: [] })],
  ] as const)('that has other %s is found', async (_, options, edit) => {
    expect(await withConfig(options, edit)).toEqual(['config-mismatch']);
  });

  it('that has no groups is found', async () => {
    const codes = await withConfig({ bits: 8 }, (config) => {
      config.config_groups = {};
    });
    expect(codes).toEqual(['config-invalid']);
  });
});

it('another model is no reference', async () => {
  const file = await quantized({ bits: 8 });
  expect(await problemsOf(file, modelOf(mixedModel('F32', '', 99)))).toContain('wrong-code');
  const codes = await problemsOf(file, modelOf(mixedModel('F32', 'other.')));
  expect(codes).toEqual(['extra-tensor', 'missing-tensor']);
});

it('a gate closes below its decibels, for each tensor', async () => {
  const file = await quantized({ bits: 8 });
  const { sqnrDb, tensors } = await validation(file, model);
  const worst = tensors[0]?.sqnrDb ?? Number.NaN;
  expect(worst).toBeLessThan(sqnrDb ?? Number.NaN);
  const gated = (failUnder: number) =>
    host.validate(file, { reference: model, failUnder, threads: 1 });
  expect((await gated(worst - 0.01)).valid).toBe(true);
  const tensor = tensors[0]?.name;
  expect((await gated(worst + 0.01)).problems).toMatchObject([{ code: 'low-quality', tensor }]);
  await failureOf(host.validate(file, { failUnder: 20 }), 'invalid-options');
});

it('a file of floats has nothing to validate', async () => {
  expect(await problemsOf(model)).toEqual(['not-quantized']);
});

describe('static inputs', () => {
  const data = writeSafetensors([
    filled('fc#0', 'F32', [60, 160], (index) => Math.sin(index) * 3),
    filled('image#0', 'F32', [50, 32, 4, 4], (index) => Math.cos(index)),
  ]);

  it('are valid, missing ones are not, and dequantizing leaves none behind', async () => {
    const { output } = await host.withData([{ name: 'inputs.safetensors', bytes: data }], (files) =>
      host.quantize(model, { bits: 8, calibration: files, threads: 1 }),
    );
    expect(readSafetensors(output).tensors.has('fc.input_scale')).toBe(true);
    expect(await problemsOf(output, model)).toEqual([]);
    const without = changed(output, { 'fc.input_scale': () => undefined });
    expect(await problemsOf(without)).toEqual(['missing-input-scale']);
    const { output: floats } = await host.dequantize(output, { threads: 1 });
    expect([...readSafetensors(floats).tensors.keys()].sort()).toEqual(
      [...readSafetensors(model).tensors.keys()].sort(),
    );
  });
});
