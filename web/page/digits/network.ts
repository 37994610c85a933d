/**
 * The classifier of examples/train_digits.py: what its tensors are called, and how it answers an image.
 * It exists because a loss in decibels means little to most people, and a wrong answer is understood at once.
 * Sums are made in f64 in one fixed order, so the same weights give the same answer in every browser.
 *
 *     image [8, 8] → conv1 3×3 → bn1 → ReLU → conv2 3×3 → bn2 → ReLU → 2×2 max → fc1 → ReLU → fc2 → ReLU → classifier
 */

/** Pixels of a row, and rows. */
export const SIDE = 8;
export const CLASSES = 10;
const [FIRST, SECOND, HIDDEN] = [32, 64, 64];
const POOLED = SIDE / 2;

/** Every tensor that the network needs, by name. */
export const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'conv1.weight': [FIRST, 1, 3, 3],
  'conv1.bias': [FIRST],
  ...normShapes('bn1', FIRST),
  'conv2.weight': [SECOND, FIRST, 3, 3],
  'conv2.bias': [SECOND],
  ...normShapes('bn2', SECOND),
  'fc1.weight': [HIDDEN, SECOND * POOLED * POOLED],
  'fc1.bias': [HIDDEN],
  'fc2.weight': [HIDDEN, HIDDEN],
  'fc2.bias': [HIDDEN],
  'classifier.weight': [CLASSES, HIDDEN],
  'classifier.bias': [CLASSES],
};

/** With what others may have beside them. */
const MOST_TENSORS = 64;

/** Values of all tensors of SHAPES, in row-major order. */
export type Weights = Readonly<Record<string, Float32Array>>;

/** Whether a model of these tensors is this network: it is known by its names and shapes. */
export function isDigits(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): boolean {
  // It is small, and large models have no time for a look at every name.
  if (tensors.length > MOST_TENSORS) return false;
  const found = new Map(tensors.map(({ name, shape }) => [name, shape.join()]));
  return Object.entries(SHAPES).every(([name, shape]) => found.get(name) === shape.join());
}

/** `image`: SIDE × SIDE grey values, 0 to 1. Answers what each class has for it, as probabilities. */
export function classify(weights: Weights, image: ArrayLike<number>): Float64Array {
  const first = convolved(image, 1, FIRST, weights, '1');
  const second = convolved(first, FIRST, SECOND, weights, '2');
  let values = pooled(second, SECOND);
  for (const name of ['fc1', 'fc2']) {
    values = linear(values, weights, name).map((value) => Math.max(value, 0));
  }
  return softmax(linear(values, weights, 'classifier'));
}

/** The class with the highest probability. */
export function answerOf(probabilities: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < probabilities.length; index++) {
    if ((probabilities[index] ?? 0) > (probabilities[best] ?? 0)) best = index;
  }
  return best;
}

/** A convolution with a border of zeros, its norm, and ReLU. Values stand by channel, row and column. */
function convolved(
  values: ArrayLike<number>,
  inputs: number,
  outputs: number,
  weights: Weights,
  number: '1' | '2',
): Float64Array {
  const kernels = tensor(weights, `conv${number}.weight`);
  const biases = tensor(weights, `conv${number}.bias`);
  const norm = normOf(weights, `bn${number}`);
  const seen = patches(values, inputs);
  const size = 9 * inputs;
  const result = new Float64Array(outputs * SIDE * SIDE);
  for (let at = 0; at < result.length; at++) {
    const output = Math.trunc(at / (SIDE * SIDE));
    const sum = dot(kernels, output * size, seen, (at % (SIDE * SIDE)) * size, size);
    result[at] = Math.max(norm(output, sum + (biases[output] ?? 0)), 0);
  }
  return result;
}

/** What a 3×3 kernel sees of all planes at each pixel, one behind the other. */
function patches(values: ArrayLike<number>, planes: number): Float64Array {
  const seen = new Float64Array(SIDE * SIDE * planes * 9);
  let at = 0;
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      for (let plane = 0; plane < planes; plane++) {
        for (let tap = 0; tap < 9; tap++) {
          const y = row + Math.trunc(tap / 3) - 1;
          const x = column + (tap % 3) - 1;
          const isInside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
          seen[at++] = isInside ? (values[(plane * SIDE + y) * SIDE + x] ?? 0) : 0;
        }
      }
    }
  }
  return seen;
}

/** Four sums side by side: one alone waits for each addition. */
function dot(
  weights: Float32Array,
  first: number,
  values: Float64Array,
  second: number,
  length: number,
): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = length - (length % 4);
  for (let at = 0; at < whole; at += 4) {
    a += (weights[first + at] as number) * (values[second + at] as number);
    b += (weights[first + at + 1] as number) * (values[second + at + 1] as number);
    c += (weights[first + at + 2] as number) * (values[second + at + 2] as number);
    d += (weights[first + at + 3] as number) * (values[second + at + 3] as number);
  }
  for (let at = whole; at < length; at++) {
    a += (weights[first + at] as number) * (values[second + at] as number);
  }
  return a + b + (c + d);
}

/** What PyTorch's norms add to a variance. */
const EPSILON = 1e-5;

function normOf(weights: Weights, name: string): (channel: number, value: number) => number {
  const [scale, bias] = [tensor(weights, `${name}.weight`), tensor(weights, `${name}.bias`)];
  const mean = tensor(weights, `${name}.running_mean`);
  const variance = tensor(weights, `${name}.running_var`);
  return (channel, value) =>
    ((value - (mean[channel] ?? 0)) / Math.sqrt((variance[channel] ?? 0) + EPSILON)) *
      (scale[channel] ?? 0) +
    (bias[channel] ?? 0);
}

/** The largest of each four neighbours. */
function pooled(values: Float64Array, planes: number): Float64Array {
  return Float64Array.from({ length: planes * POOLED * POOLED }, (_, at) => {
    const [row, column] = [Math.trunc(at / POOLED), at % POOLED];
    // Planes lie one below the other, so their rows do, too.
    const corner = 2 * row * SIDE + 2 * column;
    return Math.max(
      values[corner] ?? 0,
      values[corner + 1] ?? 0,
      values[corner + SIDE] ?? 0,
      values[corner + SIDE + 1] ?? 0,
    );
  });
}

function linear(values: Float64Array, weights: Weights, name: string): Float64Array {
  const [matrix, biases] = [tensor(weights, `${name}.weight`), tensor(weights, `${name}.bias`)];
  const { length } = values;
  return Float64Array.from(
    biases,
    (bias, row) => dot(matrix, row * length, values, 0, length) + bias,
  );
}

function softmax(values: Float64Array): Float64Array {
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function tensor(weights: Weights, name: string): Float32Array {
  const values = weights[name];
  if (values === undefined) throw new Error(`The model has no "${name}".`);
  return values;
}

function normShapes(name: string, channels: number): Record<string, readonly number[]> {
  const kinds = ['weight', 'bias', 'running_mean', 'running_var'];
  return Object.fromEntries(kinds.map((kind) => [`${name}.${kind}`, [channels]]));
}
