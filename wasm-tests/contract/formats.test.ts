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
