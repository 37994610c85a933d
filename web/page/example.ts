/**
 * A small model to try the page with: one block of a language model with random weights.
 * It exists because a download would be a request, and most visitors have no model at hand.
 * Always the same bytes: pseudo-random numbers from a fixed seed.
 */

const WIDTH = 256;
const HIDDEN = 512;
const WORDS = 512;

const ATTENTION = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map(
  (name) => [`model.layers.0.self_attn.${name}.weight`, [WIDTH, WIDTH]] as const,
);
const SHAPES: readonly (readonly [name: string, shape: readonly number[]])[] = [
  ['model.embed_tokens.weight', [WORDS, WIDTH]],
  ['model.layers.0.input_layernorm.weight', [WIDTH]],
  ...ATTENTION,
  ['model.layers.0.post_attention_layernorm.weight', [WIDTH]],
  ['model.layers.0.mlp.gate_proj.weight', [HIDDEN, WIDTH]],
  ['model.layers.0.mlp.up_proj.weight', [HIDDEN, WIDTH]],
  ['model.layers.0.mlp.down_proj.weight', [WIDTH, HIDDEN]],
  ['model.norm.weight', [WIDTH]],
  ['lm_head.weight', [WORDS, WIDTH]],
];

export function exampleModel(): File {
  const random = normalNumbers(1);
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Float32Array<ArrayBuffer>[] = [];
  let end = 0;
  for (const [name, shape] of SHAPES) {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length: count }, () =>
      shape.length === 1 ? 1 : 0.04 * random(),
    );
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    parts.push(values);
  }
  // safetensors: the header's length in 8 bytes, the header as JSON filled up to 8 bytes, the data.
  const text = JSON.stringify(header);
  const json = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = new BigUint64Array([BigInt(json.length)]);
  return new File([length, json, ...parts], 'example.safetensors');
}

/** Normally distributed, by the method of Box and Muller from the generator mulberry32. */
function normalNumbers(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
