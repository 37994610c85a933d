/**
 * Which layers of a block read what a norm or another layer computes, and nothing else does, by kinds of models.
 * It exists because a checkpoint does not say what is computed in which order: only for kinds whose code was read, and
 * which compute the same afterwards (measured), are layers rescaled.
 */

/** Modules of one block, by their names behind that of the block. */
export interface Family {
  /** `model_type` of config.json. */
  readonly types: readonly string[];
  /** Norms, all of which a block has, and the layers that read what comes out. */
  readonly norms?: Readonly<Record<string, readonly string[]>>;
  readonly layers?: readonly LayerPair[];
  /** Other matrices, whose inputs are something else. */
  readonly others?: readonly string[];
}

/** What one layer computes, another one reads, and nothing but sums over rows is between them. */
export interface LayerPair {
  readonly from: string;
  readonly to: string;
  /** Which rows are read, if others are for something else: `values` behind queries and keys, or the second half. */
  readonly rows?: 'values' | 'half';
  /** Several heads of queries may share one of values. */
  readonly hasHeads?: true;
  /** It counts for this activation between the two alone. */
  readonly activation?: 'relu';
}

const QKV = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'];
const GATED = ['mlp.gate_proj', 'mlp.up_proj'];
const VALUES: LayerPair = { from: 'self_attn.v_proj', to: 'self_attn.o_proj', hasHeads: true };
const UP: LayerPair = { from: 'mlp.up_proj', to: 'mlp.down_proj' };
const OUTS = ['self_attn.o_proj', 'mlp.down_proj'];
const OUT_VALUES: LayerPair = { from: 'self_attn.v_proj', to: 'self_attn.out_proj' };

export const FAMILIES: readonly Family[] = [
  {
    types: [
      ...['llama', 'mistral', 'qwen2', 'qwen3', 'granite', 'smollm3', 'seed_oss', 'ernie4_5'],
      'helium',
    ],
    norms: { input_layernorm: QKV, post_attention_layernorm: GATED },
    layers: [VALUES, UP],
    others: OUTS,
  },
  // Norms without weights, behind their layers, or that multiply with 1 + weight.
  {
    types: ['olmo', 'olmo2', 'exaone4', 'gemma', 'gemma2'],
    layers: [VALUES, UP],
  },
  {
    types: ['phi3'],
    norms: {
      input_layernorm: ['self_attn.qkv_proj'],
      post_attention_layernorm: ['mlp.gate_up_proj'],
    },
    layers: [
      { from: 'self_attn.qkv_proj', to: 'self_attn.o_proj', rows: 'values', hasHeads: true },
      { from: 'mlp.gate_up_proj', to: 'mlp.down_proj', rows: 'half' },
    ],
    others: OUTS,
  },
  {
    types: ['cohere', 'cohere2'],
    norms: { input_layernorm: [...QKV, ...GATED] },
    layers: [VALUES, UP],
    others: OUTS,
  },
  {
    types: ['phi'],
    norms: { input_layernorm: [...QKV, 'mlp.fc1'] },
    layers: [{ from: 'self_attn.v_proj', to: 'self_attn.dense', hasHeads: true }],
    others: ['self_attn.dense', 'mlp.fc2'],
  },
  {
    types: ['starcoder2'],
    norms: { input_layernorm: QKV, post_attention_layernorm: ['mlp.c_fc'] },
    layers: [VALUES],
    others: ['self_attn.o_proj', 'mlp.c_proj'],
  },
  {
    types: ['falcon'],
    norms: { ln_attn: ['self_attention.query_key_value'], ln_mlp: ['mlp.dense_h_to_4h'] },
    others: ['self_attention.dense', 'mlp.dense_4h_to_h'],
  },
  {
    types: ['falcon'],
    norms: {
      input_layernorm: ['self_attention.query_key_value'],
      post_attention_layernorm: ['mlp.dense_h_to_4h'],
    },
    others: ['self_attention.dense', 'mlp.dense_4h_to_h'],
  },
  {
    types: ['falcon'],
    norms: { input_layernorm: ['self_attention.query_key_value', 'mlp.dense_h_to_4h'] },
    others: ['self_attention.dense', 'mlp.dense_4h_to_h'],
  },
  {
    types: ['gpt_neox'],
    norms: {
      input_layernorm: ['attention.query_key_value'],
      post_attention_layernorm: ['mlp.dense_h_to_4h'],
    },
    others: ['attention.dense', 'mlp.dense_4h_to_h'],
  },
  {
    types: ['bert', 'roberta', 'xlm-roberta', 'electra', 'camembert'],
    layers: [{ from: 'attention.self.value', to: 'attention.output.dense' }],
  },
  { types: ['distilbert'], layers: [{ from: 'attention.v_lin', to: 'attention.out_lin' }] },
  { types: ['mpnet'], layers: [{ from: 'attention.attn.v', to: 'attention.attn.o' }] },
  {
    types: ['vit', 'deit'],
    norms: {
      layernorm_before: [
        'attention.attention.query',
        'attention.attention.key',
        'attention.attention.value',
      ],
      layernorm_after: ['intermediate.dense'],
    },
    layers: [{ from: 'attention.attention.value', to: 'attention.output.dense' }],
    others: ['attention.output.dense', 'output.dense'],
  },
  {
    types: ['dinov2'],
    norms: {
      norm1: ['attention.attention.query', 'attention.attention.key', 'attention.attention.value'],
      norm2: ['mlp.fc1'],
    },
    layers: [{ from: 'attention.attention.value', to: 'attention.output.dense' }],
    others: ['attention.output.dense', 'mlp.fc2'],
  },
  {
    types: [
      ...['clip', 'clip_text_model', 'clip_vision_model'],
      ...['siglip', 'siglip_text_model', 'siglip_vision_model'],
    ],
    norms: { layer_norm1: QKV, layer_norm2: ['mlp.fc1'] },
    layers: [OUT_VALUES],
    others: ['self_attn.out_proj', 'mlp.fc2'],
  },
  {
    types: ['opt'],
    norms: { self_attn_layer_norm: QKV, final_layer_norm: ['fc1'] },
    layers: [OUT_VALUES, { from: 'fc1', to: 'fc2', activation: 'relu' }],
    others: ['self_attn.out_proj', 'fc2'],
  },
  {
    types: ['whisper'],
    norms: {
      self_attn_layer_norm: QKV,
      encoder_attn_layer_norm: ['encoder_attn.q_proj'],
      final_layer_norm: ['fc1'],
    },
    layers: [OUT_VALUES, { from: 'encoder_attn.v_proj', to: 'encoder_attn.out_proj' }],
    others: [
      ...['self_attn.out_proj', 'fc2', 'encoder_attn.k_proj', 'encoder_attn.v_proj'],
      'encoder_attn.out_proj',
    ],
  },
  {
    types: ['whisper'],
    norms: { self_attn_layer_norm: QKV, final_layer_norm: ['fc1'] },
    layers: [OUT_VALUES],
    others: ['self_attn.out_proj', 'fc2'],
  },
];

/** Kinds that are known, and why their layers stay as they are. */
export const REFUSED: Readonly<Record<string, string>> = {
  gemma3: 'its norms multiply with 1 + weight, which is near 0, and others come behind its layers',
  gemma3_text:
    'its norms multiply with 1 + weight, which is near 0, and others come behind its layers',
};
