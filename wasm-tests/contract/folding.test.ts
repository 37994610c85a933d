/**
 * Which BatchNorm layers are folded, and what it takes to do so.
 * It exists because a wrong pair ruins a model without a sign: names and shapes are those of published checkpoints, and
 * of such families as must be left alone.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Plan, PlanOptions } from '#package';
import { failureOf } from '../support/failures.js';
import { filled, weights } from '../support/models.js';
import { modelOf, planFor, type Run, runOn } from '../support/runs.js';
import type { Tensor } from '../support/safetensors.js';

const EPSILON = 1e-3;

/** Trained, with variances around 1. */
function norm(name: string, channels: number, least = 0.6): Tensor[] {
  return [
    weights(`${name}.weight`, 'F32', [channels], 3),
    weights(`${name}.bias`, 'F32', [channels], 4),
    weights(`${name}.running_mean`, 'F32', [channels], 5),
    filled(`${name}.running_var`, 'F32', [channels], (index) => least + (index % 7) / 10),
  ];
}

const conv = (name: string, ...shape: number[]) => weights(`${name}.weight`, 'F32', shape);
const foldedIn = (plan: Plan) =>
  Object.fromEntries(
    plan.tensors.flatMap(({ name, folded }) =>
      folded === undefined ? [] : [[name.replace(/\.weight$/, ''), folded]],
    ),
  );
const leftIn = (plan: Plan) =>
  plan.warnings.flatMap(({ code, tensors }) => (code === 'not-folded' ? tensors : []));

interface Family {
  readonly tensors: readonly Tensor[];
  /** Layers, each with what is folded into it. */
  readonly folded: Readonly<Record<string, string>>;
  readonly left?: readonly string[];
}

const FAMILIES: Readonly<Record<string, Family>> = {
  'ResNet of torchvision': {
    tensors: [
      conv('conv1', 16, 3, 7, 7),
      ...norm('bn1', 16),
      conv('layer1.0.conv1', 16, 16, 3, 3),
      ...norm('layer1.0.bn1', 16),
      conv('layer1.0.downsample.0', 32, 16, 1, 1),
      ...norm('layer1.0.downsample.1', 32),
    ],
    folded: {
      conv1: 'bn1',
      'layer1.0.conv1': 'layer1.0.bn1',
      'layer1.0.downsample.0': 'layer1.0.downsample.1',
    },
  },
  'VGG with a classifier of linear layers': {
    tensors: [
      conv('features.0', 8, 3, 3, 3),
      weights('features.0.bias', 'F32', [8]),
      ...norm('features.1', 8),
      conv('features.3', 12, 8, 3, 3),
      ...norm('features.4', 12),
      conv('mlp.0', 20, 40),
      ...norm('mlp.1', 20),
    ],
    folded: { 'features.0': 'features.1', 'features.3': 'features.4', 'mlp.0': 'mlp.1' },
  },
  'YOLO, and facenet': {
    tensors: [conv('model.0.conv', 16, 3, 3, 3), ...norm('model.0.bn', 16)],
    folded: { 'model.0.conv': 'model.0.bn' },
  },
  'ResNet of transformers': {
    tensors: [conv('embedder.convolution', 16, 3, 7, 7), ...norm('embedder.normalization', 16)],
    folded: { 'embedder.convolution': 'embedder.normalization' },
  },
  'MobileNet and EfficientNet of timm': {
    tensors: [
      conv('conv_stem', 8, 3, 3, 3),
      ...norm('bn1', 8),
      conv('blocks.0.0.conv_dw', 8, 1, 3, 3),
      ...norm('blocks.0.0.bn1', 8),
      conv('blocks.0.0.conv_pw', 12, 8, 1, 1),
      ...norm('blocks.0.0.bn2', 12),
      conv('blocks.1.0.conv_pw', 24, 12, 1, 1),
      ...norm('blocks.1.0.bn1', 24),
      conv('blocks.1.0.conv_dw', 24, 1, 3, 3),
      ...norm('blocks.1.0.bn2', 24),
      conv('blocks.1.0.conv_pwl', 16, 24, 1, 1),
      ...norm('blocks.1.0.bn3', 16),
      conv('conv_head', 32, 16, 1, 1),
      ...norm('bn2', 32),
    ],
    folded: {
      conv_stem: 'bn1',
      'blocks.0.0.conv_dw': 'blocks.0.0.bn1',
      'blocks.0.0.conv_pw': 'blocks.0.0.bn2',
      'blocks.1.0.conv_pw': 'blocks.1.0.bn1',
      'blocks.1.0.conv_dw': 'blocks.1.0.bn2',
      'blocks.1.0.conv_pwl': 'blocks.1.0.bn3',
      conv_head: 'bn2',
    },
  },
  'DenseNet, whose norms come first': {
    tensors: [
      conv('features.conv0', 16, 3, 7, 7),
      ...norm('features.norm0', 16),
      ...norm('features.denselayer1.norm1', 16),
      conv('features.denselayer1.conv1', 16, 16, 1, 1),
    ],
    folded: {},
    left: ['features.norm0', 'features.denselayer1.norm1'],
  },
  'ResNet with pre-activation, told by a change of channels': {
    tensors: [
      conv('conv1', 16, 3, 3, 3),
      ...norm('bn1', 64),
      ...norm('layer1.0.bn1', 16),
      conv('layer1.0.conv1', 16, 16, 3, 3),
      ...norm('layer2.0.bn1', 16),
      conv('layer2.0.conv1', 32, 16, 3, 3),
    ],
    folded: {},
    left: ['bn1', 'layer1.0.bn1', 'layer2.0.bn1'],
  },
  'ResNet with pre-activation, told by a first convolution without a norm': {
    tensors: [
      conv('conv1', 16, 3, 3, 3),
      ...norm('layer1.0.bn1', 16),
      conv('layer1.0.conv1', 16, 16, 3, 3),
    ],
    folded: {},
    left: ['layer1.0.bn1'],
  },
  'a generator whose transposed convolutions nobody names': {
    tensors: [
      conv('main.0', 100, 64, 4, 4),
      ...norm('main.1', 64),
      conv('main.3', 64, 64, 4, 4),
      ...norm('main.4', 64),
    ],
    folded: {},
    left: ['main.1', 'main.4'],
  },
  'transposed convolutions by their names': {
    tensors: [conv('up.deconv1', 24, 16, 4, 4), ...norm('up.bn1', 16)],
    folded: {},
    left: ['up.bn1'],
  },
};

describe('which layers are folded', () => {
  it.each(Object.keys(FAMILIES))('%s', async (family) => {
    const { tensors = [], folded, left = [] } = FAMILIES[family] ?? {};
    const plan = await planFor(tensors, { foldBn: true });
    expect(foldedIn(plan)).toEqual(folded);
    expect(leftIn(plan)).toEqual(left);
  });

  it('none, unless it is asked for, and none of a file that has none', async () => {
    const tensors = FAMILIES['ResNet of torchvision']?.tensors ?? [];
    expect(foldedIn(await planFor(tensors))).toEqual({});
    const { warnings } = await planFor([conv('fc', 16, 64)], { foldBn: true });
    expect(warnings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('no BatchNorm layers'),
    );
  });

  it('none whose weights are not finite', async () => {
    const broken = filled('conv.weight', 'F32', [8, 8, 3, 3], (index) => (index === 5 ? NaN : 1));
    const { file, source } = await runOn([broken, ...norm('bn', 8), conv('fc', 16, 64)], {
      foldBn: true,
    });
    expect(file.tensors.get('bn.running_var')?.bytes).toEqual(source.get('bn.running_var')?.bytes);
  });
});

describe('what comes of it', () => {
  const tensors = [conv('conv', 16, 8, 3, 3), ...norm('bn', 16, 0.01)];
  const options: PlanOptions = { foldBn: true, bnEps: EPSILON };

  it('has the same codes where each channel has a scale, and says what was folded', async () => {
    const codesOf = ({ file }: Run) =>
      new Int8Array(Uint8Array.from(file.tensors.get('conv.weight')?.bytes ?? []).buffer);
    const folded = await runOn(tensors, options);
    const [before, after] = [codesOf(await runOn(tensors)), codesOf(folded)];
    // A channel that is multiplied with a negative number has negative codes; roundings of scales move a few.
    const others = after.filter((code, index) => Math.abs(code) !== Math.abs(before[index] ?? 0));
    expect(after).toHaveLength(16 * 8 * 9);
    expect(others.length).toBeLessThan(after.length / 50);
    expect(folded.report.tensors[0]?.folded).toBe('bn');
  });

  it('leaves the tensors of the model, or a bias', async () => {
    const kept = await runOn(tensors, options);
    const names = tensors.map(({ name }) => name);
    expect([...kept.file.tensors.keys()]).toEqual(expect.arrayContaining(names));
    const dropped = await runOn(tensors, { ...options, dropBn: true });
    expect([...dropped.file.tensors.keys()].sort()).toEqual([
      'conv.bias',
      'conv.weight',
      'conv.weight_scale',
    ]);
    expect(dropped.report.dropped.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['folded']),
    );
  });
});

describe('epsilon', () => {
  const tensors = [conv('conv', 16, 8, 3, 3), ...norm('bn', 16, 0.01)];

  it('is asked for where it matters', async () => {
    const error = await failureOf(planFor(tensors, { foldBn: true }));
    expect(error).toMatchObject({ code: 'invalid-options' });
    expect(error.message).toMatch(/epsilon .* matters to "bn": its smallest variance is 0\.01/);
    await planFor(tensors, { foldBn: true, bnEps: 1e-5 });
    await planFor([conv('conv', 16, 8, 3, 3), ...norm('bn', 16)], { foldBn: true });
  });

  it.each<[PlanOptions, RegExp]>([
    [{ bnEps: 1e-5 }, /bnEps.* has no meaning without foldBn/],
    [{ dropBn: true }, /dropBn.* has no meaning without foldBn/],
    [{ foldBn: true, bnEps: 0 }, /above 0/],
    [{ foldBn: true, container: 'gguf' }, /no BatchNorm/],
    [{ foldBn: true, bits: 'none' }, /copies every tensor/],
  ])('%j is refused', async (options, message) => {
    const error = await failureOf(host.quantize(modelOf(tensors), options));
    expect(error.message).toMatch(message);
  });
});
