/**
 * Generated models: tensors whose names and shapes are those of real layers.
 * It exists so that tests need no files, and so that every host works on the same bytes.
 * A seed decides everything.
 */
import type { Dtype, LayerKind } from '../../js/api/types.js';
import { encodeFloats } from './floats.js';
import { Random } from './random.js';
import { elementsOf, type Tensor } from './safetensors.js';

/** Weights as they come out of training: small, bell-shaped, rows of different size. */
export function weights(
  name: string,
  dtype: Dtype,
  shape: readonly number[],
  seed = 1,
): Tensor {
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
  if (given.length !== elementsOf(shape)) throw new Error(`${name}: wrong number of values.`);
  return { name, dtype, shape, bytes: encodeFloats(dtype, given) };
}

/** One layer of each kind that is quantized by default, small, with inputs that groups of 32 divide. */
export const LAYERS: readonly (readonly [name: string, kind: LayerKind, shape: readonly number[]])[] =
  [
    ['encoder.fc.weight', 'linear', [24, 160]],
    ['audio.conv.weight', 'conv1d', [16, 32, 3]],
    ['image.conv.weight', 'conv2d', [12, 32, 3, 3]],
    ['video.conv.weight', 'conv3d', [6, 32, 2, 2, 2]],
    ['lstm.weight_ih_l0', 'lstm', [64, 96]],
    ['lstm.weight_hh_l0', 'lstm', [64, 16]],
    ['gru.weight_ih_l0', 'gru', [48, 64]],
    ['gru.weight_hh_l0', 'gru', [48, 16]],
    ['mlp.experts.down', 'experts', [3, 10, 64]],
  ];

/** The layers above, and what goes with them: a bias, a norm, an embedding, a head, a buffer. */
export function mixedModel(dtype: Dtype, seed = 7): Tensor[] {
  return [
    ...LAYERS.map(([name, , shape], index) => weights(name, dtype, shape, seed + index)),
    weights('encoder.fc.bias', dtype, [24], seed + 20),
    weights('encoder.norm.weight', dtype, [160], seed + 21),
    weights('embed_tokens.weight', dtype, [50, 32], seed + 22),
    weights('lm_head.weight', dtype, [50, 32], seed + 23),
    { name: 'steps', dtype: 'I64', shape: [], bytes: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]) },
  ];
}
