/**
 * Generated models: tensors whose names and shapes are those of real layers.
 * It exists so that tests need no files, and so that every host works on the same bytes.
 * A seed decides everything.
 */
import type { Dtype, LayerKind } from '#package';
import { encodeFloats } from './floats.js';
import { Random } from './random.js';
import { elementsOf, type Tensor } from './safetensors.js';

/** Weights as they come out of training: small, bell-shaped, every row with a spread of its own. */
export function weights(name: string, dtype: Dtype, shape: readonly number[], seed = 1): Tensor {
  const random = new Random(seed);
  const rows = Math.max(shape[0] ?? 1, 1);
  const columns = elementsOf(shape) / rows;
  const values = new Float64Array(elementsOf(shape));
  for (let row = 0; row < rows; row++) {
    const spread = 0.01 + 0.1 * random.uniform();
    const shift = 0.02 * random.bell();
    for (let column = 0; column < columns; column++) {
      values[row * columns + column] = spread * random.bell() + shift;
    }
  }
  return filled(name, dtype, shape, values);
}

/** A tensor with just these values, row by row. */
export function filled(
  name: string,
  dtype: Dtype,
  shape: readonly number[],
  values: ArrayLike<number> | ((index: number) => number),
): Tensor {
  const given =
    typeof values === 'function'
      ? Float64Array.from({ length: elementsOf(shape) }, (_, index) => values(index))
      : values;
  if (given.length !== elementsOf(shape)) throw new Error(`${name}: ${given.length} values.`);
  return { name, dtype, shape, bytes: encodeFloats(dtype, given) };
}

interface Layer {
  readonly name: string;
  readonly kind: LayerKind;
  readonly shape: readonly number[];
}

/** A layer of each kind that is quantized by default, small, with rows that groups of 32 divide. */
export const LAYERS: readonly Layer[] = [
  { name: 'fc.weight', kind: 'linear', shape: [24, 160] },
  { name: 'audio.weight', kind: 'conv1d', shape: [16, 32, 3] },
  { name: 'image.weight', kind: 'conv2d', shape: [12, 32, 3, 3] },
  { name: 'video.weight', kind: 'conv3d', shape: [6, 32, 2, 2, 2] },
  { name: 'lstm.weight_ih_l0', kind: 'lstm', shape: [128, 96] },
  { name: 'lstm.weight_hh_l0', kind: 'lstm', shape: [128, 32] },
  { name: 'gru.weight_ih_l0', kind: 'gru', shape: [96, 32] },
  { name: 'gru.weight_hh_l0', kind: 'gru', shape: [96, 32] },
  { name: 'rnn.weight_ih_l0', kind: 'rnn', shape: [32, 32] },
  { name: 'rnn.weight_hh_l0', kind: 'rnn', shape: [32, 32] },
  { name: 'mlp.experts.down', kind: 'experts', shape: [3, 10, 64] },
];

/** The layers above below `prefix`, and what goes with them: bias, norm, embedding, head, a buffer. */
export function mixedModel(dtype: Dtype, prefix = '', seed = 7): Tensor[] {
  return [
    ...LAYERS.map(({ name, shape }, index) => weights(prefix + name, dtype, shape, seed + index)),
    weights(`${prefix}fc.bias`, dtype, [24], seed + 20),
    weights(`${prefix}norm.weight`, dtype, [160], seed + 21),
    weights(`${prefix}embed_tokens.weight`, dtype, [50, 32], seed + 22),
    weights(`${prefix}lm_head.weight`, dtype, [50, 32], seed + 23),
    {
      name: `${prefix}steps`,
      dtype: 'I64',
      shape: [],
      bytes: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
    },
  ];
}
