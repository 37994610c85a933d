/**
 * Formats of other programs than compressed-tensors' ones: what each has by default, what it refuses, and that what is
 * read of a file is what its report says.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { OutputFormat } from '#package';
import type { AnyOptions } from '../host/host.js';
import { failureOf } from '../support/failures.js';
import { weights } from '../support/models.js';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';

const NAMES = ['model.layers.0.mlp.up_proj.weight', 'model.layers.0.mlp.down_proj.weight'];
const MODEL = writeSafetensors([
  weights(NAMES[0] ?? '', 'BF16', [96, 128]),
  weights(NAMES[1] ?? '', 'BF16', [64, 96]),
  weights('model.layers.0.norm.weight', 'BF16', [64]),
]);

const ONE = { threads: 1 } as const;

interface Expected {
  readonly options: AnyOptions;
  readonly tensors: readonly string[];
  readonly config: object;
}

const FORMATS: Readonly<Partial<Record<OutputFormat, Expected>>> = {
  gptq: {
    options: { bits: 4 },
    tensors: ['g_idx', 'qweight', 'qzeros', 'scales'],
    config: { quant_method: 'gptq', bits: 4, group_size: 32, sym: true, desc_act: false },
  },
  awq: {
    options: { bits: 4 },
    tensors: ['qweight', 'qzeros', 'scales'],
    config: { quant_method: 'awq', bits: 4, group_size: 32, zero_point: true, version: 'gemm' },
  },
  mlx: {
    options: { bits: 3 },
    tensors: ['biases', 'scales', 'weight'],
    config: { quant_method: 'mlx', bits: 3, mode: 'affine' },
  },
};

describe.each(Object.entries(FORMATS))('%s', (name, { options, tensors, config }) => {
  const format = name as OutputFormat;

  it('has its tensors, its configuration, and the values that its report says', async () => {
    const { output: bytes, report } = await host.quantize(MODEL, { ...ONE, ...options, format });
    const file = readSafetensors(bytes);
    const module = (NAMES[0] ?? '').replace(/\.weight$/, '');
    const own = [...file.tensors.keys()].filter((key) => key.startsWith(`${module}.`)).sort();
    expect(own).toEqual(tensors.map((part) => `${module}.${part}`));
    expect(JSON.parse(file.metadata.quantization_config ?? '')).toMatchObject(config);
    const { tensors: compared } = await host.compare(MODEL, bytes, ONE);
    for (const tensor of report.tensors) {
      const found = compared.find((each) => each.name === tensor.name);
      expect(found?.sqnrDb, tensor.name).toBeCloseTo(tensor.sqnrDb ?? Number.NaN, 0);
    }
  });

  it('refuses activations in a sentence', async () => {
    const bits = format === 'awq' ? 4 : 8; // the only ones that it has
    const call = host.quantize(MODEL, { ...ONE, bits, dynamic: true, format });
    expect((await failureOf(call, 'invalid-options')).message).toMatch(/weights.only/);
  });
});

it('awq leaves a head alone, which its loaders take as floats only', async () => {
  const head = weights('lm_head.weight', 'BF16', [64, 64]);
  const layer = weights('model.layers.0.mlp.up_proj.weight', 'BF16', [64, 64]);
  const options = { ...ONE, bits: 4, layers: ['linear', 'head'] } as const;
  const decisionsFor = async (format: OutputFormat) => {
    const { report } = await host.quantize(writeSafetensors([head, layer]), { ...options, format });
    const all = [...report.tensors, ...report.copied];
    return Object.fromEntries(all.map(({ name, decision }) => [name, decision]));
  };
  expect(await decisionsFor('awq')).toEqual({ [head.name]: 'copy', [layer.name]: 'quantize' });
  expect(await decisionsFor('gptq')).toEqual({ [head.name]: 'quantize', [layer.name]: 'quantize' });
});

describe('scales of bitsandbytes that are codes themselves', () => {
  const options = { ...ONE, doubleQuant: true } as const;

  it.each(['NF4', 'FP4'] as const)('are read as %s was reported', async (scheme) => {
    const { output, report } = await host.quantize(MODEL, { ...options, scheme });
    const plain = await host.quantize(MODEL, { ...ONE, scheme, method: 'rtn' });
    const file = readSafetensors(output);
    const codes = (from: typeof file) => from.tensors.get(NAMES[0] ?? '')?.bytes;
    expect(codes(file)).toEqual(codes(readSafetensors(plain.output)));
    const own = [...file.tensors.keys()].filter((key) => key.startsWith(`${NAMES[0]}.`)).sort();
    const parts = ['absmax', 'nested_absmax', 'nested_quant_map', 'quant_map'];
    const state = `quant_state.bitsandbytes__${scheme.toLowerCase()}`;
    expect(own).toEqual([...parts, state].map((part) => `${NAMES[0]}.${part}`));
    expect(file.tensors.get(`${NAMES[0]}.absmax`)).toMatchObject({ dtype: 'U8', shape: [192] });
    const note = new TextDecoder().decode(file.tensors.get(`${NAMES[0]}.${state}`)?.bytes);
    expect(JSON.parse(note)).toMatchObject({ nested_blocksize: 256, nested_dtype: 'float32' });
    expect(JSON.parse(file.metadata.quantization_config ?? '')).toMatchObject({
      bnb_4bit_use_double_quant: true,
    });
    const { tensors } = await host.compare(MODEL, output, ONE);
    for (const tensor of report.tensors) {
      const found = tensors.find(({ name }) => name === tensor.name);
      expect(found?.sqnrDb, tensor.name).toBeCloseTo(tensor.sqnrDb ?? Number.NaN, 6);
    }
    expect(plain.report.sqnrDb ?? 0).toBeGreaterThan(report.sqnrDb ?? 99);
    expect((plain.report.sqnrDb ?? 0) - (report.sqnrDb ?? 99)).toBeLessThan(0.2);
  });

  it.each([
    [{ bits: 8, format: 'bitsandbytes' }, 'bitsandbytes'],
    [{ bits: 4 }, 'compressed-tensors'],
    [{ scheme: 'NF4', method: 'mse' }, 'method'],
  ] satisfies [AnyOptions, string][])('have no meaning with %j', async (others, word) => {
    const call = host.quantize(MODEL, { ...options, ...others });
    expect((await failureOf(call, 'invalid-options')).message).toContain(word);
  });
});

describe('asymmetric codes for gptq', () => {
  const options = { ...ONE, format: 'gptq', groupSize: 32, scheme: 'asymmetric' } as const;

  it.each([2, 3, 4, 8] as const)('of %i bits are those of the same scheme', async (bits) => {
    const { output, report } = await host.quantize(MODEL, { ...options, bits });
    const { metadata } = readSafetensors(output);
    expect(JSON.parse(metadata.quantization_config ?? '')).toMatchObject({
      sym: false,
      checkpoint_format: 'gptq_v2',
    });
    const same = { ...ONE, bits, groupSize: 32, scheme: 'asymmetric', scaleType: 'F16' } as const;
    const other = await host.quantize(MODEL, { ...same, weightsOnly: true });
    expect(report.sqnrDb).toBe(other.report.sqnrDb);
    const { tensors } = await host.compare(MODEL, output, ONE);
    const planned = report.tensors.find(({ name }) => name === NAMES[0])?.sqnrDb;
    const read = tensors.find(({ name }) => name === NAMES[0])?.sqnrDb;
    expect(read).toBeCloseTo(planned ?? Number.NaN, 3);
  });

  // A zero point of 0, less one, would be the highest code, and one more of its word the next one's.
  it('of weights that are all positive are read as they were written', async () => {
    const name = 'model.layers.0.mlp.up_proj.weight';
    const positive = {
      name,
      dtype: 'F32' as const,
      shape: [32, 64],
      bytes: new Uint8Array(Float32Array.from({ length: 2048 }, (_, i) => 1 + (i % 37) / 8).buffer),
    };
    const model = writeSafetensors([positive]);
    const { output, report } = await host.quantize(model, { ...options, bits: 4 });
    const { bytes } = readSafetensors(output).tensors.get(name.replace('weight', 'qzeros')) ?? {};
    expect(bytes?.every((byte) => byte === 0)).toBe(true);
    const { tensors } = await host.compare(model, output, ONE);
    expect(tensors[0]?.sqnrDb).toBeGreaterThan(20);
    expect(tensors[0]?.sqnrDb).toBeCloseTo(report.tensors[0]?.sqnrDb ?? Number.NaN, 3);
  });
});

describe('what gptq says of layers that stay floats', () => {
  const LAYERS = ['mlp.up_proj', 'mlp.down_proj'].flatMap((name) =>
    ['0', '1'].map((block) => `model.layers.${block}.${name}`),
  );
  const file = writeSafetensors(
    [...LAYERS, 'lm_head'].map((name) => weights(`${name}.weight`, 'BF16', [64, 64])),
  );
  const said = async (ignore: readonly string[]) => {
    const options = { ...ONE, format: 'gptq', bits: 4, groupSize: 32, ignore } as const;
    const { report } = await host.quantize(file, options);
    return report.outputConfig.quantization as Readonly<Record<string, unknown>>;
  };

  // transformers knows only ends of names that it takes, and takes all layers of blocks if there are none.
  it.each([
    [[], undefined],
    [['*.down_proj'], ['mlp.up_proj']],
    [['model.layers.1.mlp.down_proj'], ['mlp.up_proj', 'model.layers.0.mlp.down_proj']],
  ])('names those in blocks that are none: %j', async (ignore, taken) => {
    const { modules_in_block_to_quantize: modules } = await said(ignore);
    expect(modules).toEqual(taken && [taken]); // they are sorted
  });

  it('names all of them if they are in blocks that transformers does not know', async () => {
    const other = writeSafetensors(
      ['encoder.layer.0.dense', 'encoder.layer.1.dense', 'pooler.dense'].map((name) =>
        weights(`${name}.weight`, 'BF16', [64, 64]),
      ),
    );
    const { report } = await host.quantize(other, {
      ...ONE,
      format: 'gptq',
      bits: 4,
      groupSize: 32,
    });
    expect(report.outputConfig.quantization).toMatchObject({
      block_name_to_quantize: '',
      modules_in_block_to_quantize: [['dense', 'pooler.dense']],
    });
    expect(await said([])).not.toHaveProperty('block_name_to_quantize');
  });
});
