/**
 * What becomes of which tensor: every reason that a plan can give, with a tensor that gets it.
 * It exists because a tensor that is wrongly quantized ruins a model, and one wrongly spared a release.
 * Names and shapes are those of published checkpoints.
 */
import { describe, expect, it } from 'vitest';
import type { Decision, Dtype, PlanOptions, Reason } from '#package';
import { filled, weights } from '../support/models.js';
import { planFor, plannedOf, runOn } from '../support/runs.js';
import type { Tensor } from '../support/safetensors.js';

const f32 = (name: string, ...shape: number[]) => weights(name, 'F32', shape);
const nan = (name: string) => filled(name, 'F32', [8, 128], () => Number.NaN);
const large = (name: string) => filled(name, 'F32', [8, 128], () => 1e6);
const whole = (name: string, dtype: Dtype): Tensor => ({
  name,
  dtype,
  shape: [8, 128],
  bytes: new Uint8Array(8 * 128),
});

interface Case {
  readonly tensors: readonly Tensor[];
  readonly options?: PlanOptions;
  readonly decision?: Decision;
}

/** The tensors that get the reason; everywhere, another layer is quantized as requested. */
/** Others need more than tensors: ties, a container, a folder beside them (loaders.test.ts, gguf-folder.test.ts, folding.test.ts). */
type OfAnyTensors = Exclude<
  Reason,
  'budget' | 'tied' | 'not-representable' | 'dequantized' | 'not-loadable' | 'left-out' | 'folded'
>;
const CASES: Readonly<Record<OfAnyTensors, Case>> = {
  requested: {
    decision: 'quantize',
    tensors: [
      f32('model.layers.0.mlp.down_proj.weight', 64, 128),
      f32('features.0.conv.weight', 32, 16, 3, 3),
      f32('decoder.lstm.weight_hr_l0', 32, 64),
      f32('attn.in_proj_weight', 96, 32),
    ],
  },
  override: {
    decision: 'quantize',
    tensors: [f32('lm_head.weight', 8, 16), f32('embed.weight', 8, 16)],
    options: {
      overrides: [
        { pattern: 'lm_head', bits: 8 },
        { pattern: 'embed', bits: 4 },
      ],
    },
  },
  ignored: { tensors: [f32('a.weight', 64, 128)], options: { ignore: ['a'] } },
  'override-none': {
    tensors: [f32('a.weight', 64, 128)],
    options: { overrides: [{ pattern: 'a', bits: 'none' }] },
  },
  'not-float': {
    tensors: [whole('a.weight', 'U8'), whole('b.weight', 'I8'), whole('c.weight', 'BOOL')],
  },
  'one-dimensional': { tensors: [f32('scale', 4096), f32('temperature')] },
  small: { tensors: [f32('a.weight', 7, 73)] },
  empty: { tensors: [f32('a.weight', 0, 128)] },
  norm: {
    tensors: [
      f32('model.norm.weight', 128),
      f32('bn1.running_mean', 128),
      f32('input_layernorm.weight', 64, 128),
      f32('h.0.ln_1.weight', 128),
    ],
  },
  bias: { tensors: [f32('a.bias', 128), f32('lstm.bias_ih_l0', 128)] },
  embedding: { tensors: [f32('model.embed_tokens.weight', 64, 128), f32('wte.weight', 64, 128)] },
  head: { tensors: [f32('lm_head.weight', 64, 128), f32('classifier.weight', 64, 128)] },
  router: {
    tensors: [f32('mlp.gate.weight', 64, 128)],
    options: { ignore: ['mlp.experts'] },
  },
  'gpt2-conv1d': {
    tensors: [f32('h.0.attn.c_attn.weight', 64, 192), f32('h.0.attn.c_proj.weight', 64, 64)],
  },
  'layer-not-selected': {
    tensors: [f32('a.weight', 64, 128)],
    options: { layers: ['conv2d'] },
  },
  'unknown-kind': { tensors: [f32('freqs', 64, 128), f32('mixer.A_log', 64, 128)] },
  'weight-norm': {
    tensors: [
      f32('conv.weight_v', 64, 32, 3),
      f32('conv.weight_g', 64, 1, 1),
      f32('fc.parametrizations.weight.original1', 64, 128),
    ],
  },
  adapter: { tensors: [f32('q_proj.lora_A.weight', 16, 128), f32('q_proj.lora_B', 128, 16)] },
  'no-gain': { tensors: [f32('a.weight', 1024, 1), f32('b.weight', 1024, 1, 1, 1)] },
  'name-taken': { tensors: [f32('a.weight', 64, 128)] },
  sibling: {
    tensors: [f32('l.self_attn.q_proj.weight', 64, 128), f32('l.self_attn.v_proj.weight', 64, 128)],
  },
  'already-narrow': {
    tensors: [weights('a.weight', 'F16', [64, 128]), weights('b.weight', 'F8_E4M3', [64, 128])],
    options: { bits: 16 },
  },
  'non-finite': { tensors: [nan('a.weight'), nan('b.weight')] },
  overflow: { tensors: [large('a.weight')], options: { bits: 16 } },
};

/** What goes with a case without being a part of it. */
const COMPANY: Partial<Record<Reason, readonly Tensor[]>> = {
  requested: [f32('decoder.lstm.weight_hh_l0', 256, 32), f32('decoder.lstm.weight_ih_l0', 256, 32)],
  router: [f32('mlp.experts.0.up.weight', 64, 128)],
  'gpt2-conv1d': [f32('h.0.attn.c_attn.bias', 192)],
  'name-taken': [f32('a.weight_zero_point', 64, 1)],
  // Spared, and so are the others of its layer.
  sibling: [f32('l.self_attn.k_proj.weight', 2, 128)],
};

const OTHER = f32('image.conv.weight', 32, 16, 3, 3);

it.each(Object.keys(CASES) as OfAnyTensors[])('%s', async (reason) => {
  const { tensors, options = {}, decision = 'copy' } = CASES[reason];
  const { report, plan } = await runOn([...tensors, ...(COMPANY[reason] ?? []), OTHER], options);
  for (const { name } of tensors) {
    // Values are found while encoding; everything else is known before.
    const isFound = reason === 'non-finite' || reason === 'overflow';
    const said = isFound
      ? report.copied.find((copied) => copied.name === name)
      : plannedOf(plan, name);
    expect(said?.reason, name).toBe(reason);
    const changed = report.tensors.find((tensor) => tensor.name === name);
    expect(changed?.decision ?? 'copy', name).toBe(decision);
  }
  expect(report.tensors.map(({ name }) => name)).toContain(OTHER.name);
});

describe('groups', () => {
  it.each([
    [128, 256, 128],
    [128, 192, 64],
    [128, 96, 32],
    [256, 384, 128],
    [64, 96, 32],
    [128, 100, -1],
    [16, 100, -1],
  ] as const)('of %i in rows of %i become groups of %i', async (groupSize, columns, expected) => {
    const plan = await planFor([f32('a.weight', 64, columns), OTHER], { bits: 4, groupSize });
    expect(plannedOf(plan, 'a.weight').quantization).toMatchObject({
      groupSize: expected,
      strategy: expected === -1 ? 'channel' : 'group',
    });
    const isOther = expected !== (groupSize as number);
    const warned = plan.warnings.find(({ code }) => code === 'group-fallback')?.tensors ?? [];
    // Nobody has to have chosen 128.
    expect(warned.includes('a.weight')).toBe(isOther && groupSize !== 128);
  });
});

describe('siblings', () => {
  const family = (columns: number) => [
    f32('l.self_attn.q_proj.weight', 64, columns),
    f32('l.self_attn.k_proj.weight', 32, columns),
    f32('l.self_attn.v_proj.weight', 32, columns),
    f32('l.mlp.gate_proj.weight', 64, columns),
    f32('l.mlp.up_proj.weight', 64, columns),
  ];

  it('are quantized alike', async () => {
    const { tensors, warnings } = await planFor(family(128), { bits: 4 });
    expect(new Set(tensors.map(({ quantization }) => JSON.stringify(quantization))).size).toBe(1);
    expect(warnings.map(({ code }) => code)).not.toContain('siblings-split');
  });

  it('are left alone together', async () => {
    const [q, k, ...others] = family(128);
    if (q === undefined || k === undefined) throw new Error('The family is incomplete.');
    const small = f32(k.name, 2, 128);
    const plan = await planFor([q, small, ...others]);
    const reasons = plan.tensors.map(({ reason }) => reason);
    expect(reasons).toEqual(['sibling', 'small', 'sibling', 'requested', 'requested']);
    expect(plannedOf(plan, q.name).explanation).toContain(small.name);
  });

  it('are told apart only where that was asked for, with a warning', async () => {
    const plan = await planFor(family(128), { ignore: ['l.self_attn.k_proj'] });
    const reasons = plan.tensors.map(({ reason }) => reason);
    expect(reasons).toEqual(['requested', 'ignored', 'requested', 'requested', 'requested']);
    const warning = plan.warnings.find(({ code }) => code === 'siblings-split');
    expect(warning?.tensors).toEqual(['l.self_attn.qkv_proj']);
  });
});
