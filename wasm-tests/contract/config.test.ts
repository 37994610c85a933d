/**
 * The quantization_config in the output's metadata: what loaders go by.
 * It exists because vLLM and transformers believe this text, not the tensors.
 * Every quantized tensor is described by exactly one group, everything else is ignored by name.
 */
import { expect, it } from 'vitest';
import { host } from '#host';
import type { LayerKind, PlannedTensor, PlanOptions } from '#package';
import { mixedModel, weights } from '../support/models.js';
import { type Run, runOn } from '../support/runs.js';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';

interface Args {
  readonly num_bits: number;
  readonly type: 'int';
  readonly symmetric: boolean;
  readonly strategy: string;
  readonly group_size?: number;
  readonly dynamic: boolean;
}

interface Group {
  readonly targets: readonly string[];
  readonly weights: Args;
  readonly input_activations: Args | null;
  readonly output_activations: null;
  readonly format?: string;
}

interface Config {
  readonly quant_method: string;
  readonly format: string;
  readonly quantization_status: string;
  readonly config_groups: Readonly<Record<string, Group>>;
  readonly ignore: readonly string[];
}

/** Those of PyTorch; tensors of other kinds are named one by one. */
const CLASSES: Partial<Record<LayerKind, string>> = {
  linear: 'Linear',
  head: 'Linear',
  router: 'Linear',
  conv1d: 'Conv1d',
  conv2d: 'Conv2d',
  conv3d: 'Conv3d',
  lstm: 'LSTM',
  gru: 'GRU',
  rnn: 'RNN',
  embedding: 'Embedding',
};

const MODEL = [
  ...mixedModel('F32'),
  weights('small.weight', 'F32', [4, 8]),
  weights('block.fc.weight', 'F32', [16, 128]),
];

const CHOICES: readonly PlanOptions[] = [
  {},
  { scheme: 'asymmetric' },
  { strategy: 'tensor' },
  { weightsOnly: true },
  { weightsOnly: true, groupSize: 32, scheme: 'asymmetric' },
  { bits: 4, groupSize: 32 },
  { bits: 4 },
  { bits: 4, strategy: 'channel', ignore: ['block.fc'] },
  { overrides: [{ pattern: 'block.fc', bits: 4, groupSize: 64 }] },
  { overrides: [{ pattern: 'block.fc', groupSize: 64, scheme: 'asymmetric' }] },
  {
    bits: 4,
    overrides: [
      { pattern: 'lstm', bits: 8 },
      { pattern: 'gru', bits: 'none' },
    ],
  },
  { layers: ['embedding', 'linear'], defaultIgnore: false },
];

it.each(CHOICES)('describes every tensor: %j', async (options) => {
  expectConsistent(await runOn(MODEL, options));
});

it.each<PlanOptions>([{}, { bits: 4, groupSize: 32 }])(
  'tells the weights of a module apart where they differ: %j',
  async (options) => {
    // Groups do not divide the second of each pair, and the second of the other has too few elements.
    const model = [
      weights('lstm.weight_ih_l0', 'F32', [64, 96]),
      weights('lstm.weight_hh_l0', 'F32', [64, 16]),
      weights('gru.weight_ih_l0', 'F32', [24, 64]),
      weights('gru.weight_hh_l0', 'F32', [24, 8]),
    ];
    expectConsistent(await runOn(model, options));
  },
);

it('stays beside the metadata of the source', async () => {
  const metadata = { author: 'naïve ü "quoted"', format: 'pt', quantization_config: 'old' };
  const { output } = await host.quantize(writeSafetensors(MODEL, metadata));
  const kept = readSafetensors(output).metadata;
  expect(kept).toMatchObject({ author: metadata.author, format: 'pt' });
  expect(kept.quantization_config).toMatch(/^\{.*compressed-tensors/);
  const bare = await host.quantize(writeSafetensors(MODEL));
  expect(readSafetensors(bare.output).metadata).toMatchObject({ format: 'pt' });
});

function expectConsistent(run: Run): void {
  const config = configOf(run);
  expect(config).toMatchObject({
    quant_method: 'compressed-tensors',
    quantization_status: 'compressed',
    kv_cache_scheme: null,
  });
  const groups = Object.values(config.config_groups);
  expect(Object.keys(config.config_groups)).toEqual(groups.map((_, index) => `group_${index}`));
  for (const planned of run.plan.tensors) {
    const describing = groups.filter((group) => targets(group, planned));
    if (planned.decision === 'quantize') {
      expect(describing.length, planned.name).toBe(1);
      expect(isIgnored(config, planned), planned.name).toBe(false);
      for (const group of describing) expectDescribed(run, planned, group, config);
    } else if (planned.shape.length > 1) {
      expect(describing.length === 0 || isIgnored(config, planned), planned.name).toBe(true);
    }
  }
  // No group without a tensor, no name without one.
  const names = run.plan.tensors.flatMap(({ name }) => [name, moduleOf(name)]);
  for (const name of config.ignore) expect(names).toContain(name);
  const classes = Object.values(CLASSES);
  for (const group of groups) {
    for (const target of group.targets) expect([...names, ...classes]).toContain(target);
  }
}

function configOf({ file }: Run): Config {
  return JSON.parse(file.metadata.quantization_config ?? '') as Config;
}

function targets({ targets: names }: Group, { name, kind }: PlannedTensor): boolean {
  const words = [name, moduleOf(name), CLASSES[kind]];
  return names.some((target) => words.includes(target));
}

function isIgnored({ ignore }: Config, { name }: PlannedTensor): boolean {
  return ignore.includes(name) || ignore.includes(moduleOf(name));
}

/** Recurrent layers have several weights in one module; their names do not end in `.weight`. */
function moduleOf(name: string): string {
  return name.replace(/\.weight(_[ih]h_l\d+)?$/, '');
}

function expectDescribed(run: Run, planned: PlannedTensor, group: Group, config: Config): void {
  const { name, quantization } = planned;
  expect(group.weights).toEqual({
    num_bits: quantization?.bits,
    type: 'int',
    symmetric: quantization?.scheme === 'symmetric',
    strategy: quantization?.strategy,
    ...(quantization?.strategy === 'group' ? { group_size: quantization.groupSize } : {}),
    dynamic: false,
  });
  const isPacked = run.file.tensors.has(`${name}_packed`);
  expect(group.format ?? config.format).toBe(isPacked ? 'pack-quantized' : 'int-quantized');
  expect(config.format === 'mixed-precision').toBe(group.format !== undefined);
  expect(group.output_activations).toBeNull();
  // Embeddings take indices.
  if (isPacked || planned.kind === 'embedding') expect(group.input_activations).toBeNull();
  else
    expect(group.input_activations).toMatchObject({
      num_bits: 8,
      strategy: 'token',
      dynamic: true,
    });
}
