/**
 * Models that come with the configuration of their class: what is written is what transformers and vLLM take.
 * It exists because they build the model from its class: what the file does not mention is part of it, too.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import type { DataFile } from '../host/host.js';
import { weights } from '../support/models.js';
import { plannedOf } from '../support/runs.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../support/safetensors.js';
import { textFile } from '../support/shards.js';

const TIED: readonly Tensor[] = [
  weights('model.embed_tokens.weight', 'F32', [64, 96]),
  weights('model.layers.0.mlp.up_proj.weight', 'F32', [256, 96], 3),
  weights('model.layers.0.mlp.down_proj.weight', 'F32', [96, 256], 4),
  weights('model.vision.patch_embed.proj.weight', 'F32', [32, 3, 4, 4], 5),
];

const folderOf = (tensors: readonly Tensor[], config: string): readonly DataFile[] => [
  { name: 'model.safetensors', bytes: writeSafetensors(tensors, { format: 'pt' }) },
  textFile('config.json', config),
];

async function configOf(model: readonly DataFile[], options: PlanOptions) {
  const { output, report } = await host.quantize(model, { ...options, threads: 1 });
  const config = JSON.parse(readSafetensors(output).metadata.quantization_config ?? '');
  expect(report.outputConfig.quantization).toEqual(config);
  return config as { ignore: string[]; config_groups: Record<string, unknown> };
}

const LLAMA = '{"architectures": ["LlamaForCausalLM"], "rope": NaN, "tie_word_embeddings": true}';

describe.each([{ bits: 8 }, { bits: 8, weightsOnly: true }, { bits: 4 }] as const)(
  'with %o',
  (options) => {
    it('a head that shares the embedding is ignored, though no tensor stands for it', async () => {
      expect((await configOf(folderOf(TIED, LLAMA), options)).ignore.toSorted()).toEqual([
        'lm_head',
        'model.embed_tokens',
      ]);
    });

    it('one that has a tensor of its own is, too, and once', async () => {
      const untied = [...TIED, weights('lm_head.weight', 'F32', [64, 96])];
      expect((await configOf(folderOf(untied, LLAMA), options)).ignore.toSorted()).toEqual([
        'lm_head',
        'model.embed_tokens',
      ]);
    });

    it('all layers share one group size', async () => {
      const { config_groups: groups } = await configOf(folderOf(TIED, LLAMA), options);
      expect(Object.keys(groups)).toEqual(['group_0']);
    });
  },
);

it.each([
  '{}',
  '{"architectures": []}',
  '{"quantization_config": {}}',
  '\uFEFF{"architectures": null}',
])('a configuration that names no class changes nothing: %s', async (config) => {
  const model = folderOf(TIED, config);
  for (const bits of [8, 4] as const) {
    const alone = await host.quantize(model.slice(0, 1), { bits, threads: 1 });
    const beside = await host.quantize(model, { bits, threads: 1 });
    expect(beside.output).toEqual(alone.output);
  }
});

describe('a convolution in a model of classes', () => {
  const name = 'model.vision.patch_embed.proj.weight';
  const planOf = async (options: PlanOptions) => {
    const model = await host.open(folderOf(TIED, LLAMA), { threads: 1 });
    try {
      return await model.plan(options);
    } finally {
      await model.close();
    }
  };

  it('stays as it is, because no loader takes it quantized', async () => {
    const plan = await planOf({});
    expect(plannedOf(plan, name)).toMatchObject({ decision: 'copy', reason: 'not-loadable' });
    expect(plan.warnings.map(({ code }) => code)).not.toContain('not-loadable');
  });

  it.each([
    { overrides: [{ pattern: name, bits: 8 }] },
    { defaultIgnore: false, minElements: 0, ignore: ['model.embed_tokens'] },
  ] satisfies PlanOptions[])('is quantized by wish, with a warning: %o', async (options) => {
    const plan = await planOf(options);
    expect(plannedOf(plan, name).decision).toBe('quantize');
    const warning = plan.warnings.find(({ code }) => code === 'not-loadable');
    expect(warning?.tensors).toContain(name);
  });
});

describe('layouts of one program', () => {
  const LAYER = weights('model.layers.0.mlp.up_proj.weight', 'F32', [64, 64]);
  const EXPERT = weights('model.layers.0.mlp.experts.0.w1.weight', 'F32', [64, 64], 3);
  const warningsOf = async (
    type: string,
    options: PlanOptions,
    tensors: readonly Tensor[] = [LAYER],
  ) => {
    const config = JSON.stringify({ architectures: ['XForCausalLM'], model_type: type });
    const folder = folderOf([...tensors, weights('norm.weight', 'F32', [64])], config);
    const { warnings } = await host.quantize(folder, { ...options, threads: 1 });
    return warnings.filter(({ code }) => code === 'not-loadable');
  };
  const GPTQ = { format: 'gptq', bits: 4, groupSize: 32 } as const;
  const AWQ = { format: 'awq', bits: 4, groupSize: 32 } as const;
  const NF4 = { scheme: 'NF4' } as const;
  const MLX = { format: 'mlx', bits: 4, groupSize: 32 } as const;

  // What was seen with transformers: docs/conformance.md.
  it.each([
    ['llama', []],
    ['falcon', [GPTQ, AWQ, NF4]],
    ['gpt_bigcode', [GPTQ, AWQ]],
    ['starcoder2', [AWQ]],
    ['bloom', [AWQ]],
  ])('say which models of type %s do not load', async (type, faulty) => {
    for (const options of [GPTQ, AWQ, NF4, MLX]) {
      const found = await warningsOf(type, options);
      const expected = (faulty as readonly PlanOptions[]).includes(options) ? 1 : 0;
      expect(found, JSON.stringify(options)).toHaveLength(expected);
      for (const { message } of found) expect(message).toContain(`"${type}"`);
    }
  });

  it('name experts that transformers would have to stack', async () => {
    for (const options of [GPTQ, AWQ, NF4]) {
      const found = await warningsOf('mixtral', options, [LAYER, EXPERT]);
      expect(found.map(({ tensors }) => tensors)).toEqual([[EXPERT.name]]);
    }
    expect(await warningsOf('mixtral', MLX, [LAYER, EXPERT])).toEqual([]);
  });
});
