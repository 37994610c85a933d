/**
 * How far the values of an output are from those of its source, and how far they may be.
 * It exists so that every test of numbers applies the same, complete rule to every element.
 * The rule: half a step where the code is not at its limit; a scale that is no larger than the range needs.
 */
import { expect } from 'vitest';
import type { Dtype, PlannedTensor } from '../../js/api/types.js';
import { type Quantized, readQuantized, valueAt } from './dequantize.js';
import { decodeFloats } from './floats.js';
import type { Tensor, TensorFile } from './safetensors.js';

/** The smallest scale in use: that of a scope of zeros. */
export const SMALLEST_SCALE = 2 ** -23;

/** Steps by which f32 arithmetic may miss a tie: 255 steps times a few roundings of 2^-24. */
const TIE = 1e-4;

/** Half a unit in the last place of a stored scale, relative to it. */
const HALF_ULP: Partial<Record<Dtype, number>> = { F32: 2 ** -23, F16: 2 ** -11, BF16: 2 ** -8 };
/** The same where F16 has no normal numbers any more. */
const F16_HALF_STEP = 2 ** -25;

export interface ErrorSums {
  readonly signal: number;
  readonly noise: number;
  readonly peak: number;
}

export function sqnrOf({ signal, noise }: ErrorSums): number | null {
  return noise === 0 ? null : 10 * Math.log10(signal / noise);
}

/** Compares every element with its source; sums from doubles. */
export function sumErrors(
  source: ArrayLike<number>,
  stored: (index: number) => number,
): ErrorSums {
  let signal = 0;
  let noise = 0;
  let peak = 0;
  for (let index = 0; index < source.length; index++) {
    const value = source[index] ?? Number.NaN;
    const error = Math.abs(value - stored(index));
    signal += value * value;
    noise += error * error;
    peak = Math.max(peak, error);
  }
  return { signal, noise, peak };
}

/** Applies the rule to a quantized tensor, and returns its errors. */
export function expectQuantizedWell(
  source: Tensor,
  file: TensorFile,
  planned: PlannedTensor,
): ErrorSums {
  const values = decodeFloats(source.dtype, source.bytes);
  const quantized = readQuantized(file, planned);
  expectScales(values, quantized, planned);
  expectCodes(values, quantized, planned);
  return sumErrors(values, (index) => valueAt(quantized, index));
}

/** Each scale follows from its scope's range, rounded to the type that stores it. */
function expectScales(values: Float64Array, quantized: Quantized, planned: PlannedTensor): void {
  const { name, quantization } = planned;
  const { rows, columns, lowest, highest, scaleOf } = quantized;
  const size = {
    tensor: values.length,
    channel: columns,
    group: quantization?.groupSize ?? 0,
  }[quantization?.strategy ?? 'tensor'];
  expect(values.length, name).toBe(rows * columns);
  const steps = highest - lowest;
  for (let begin = 0; begin < values.length; begin += size) {
    let least = 0;
    let most = 0;
    for (let index = begin; index < begin + size; index++) {
      least = Math.min(least, values[index] ?? Number.NaN);
      most = Math.max(most, values[index] ?? Number.NaN);
    }
    const isSymmetric = quantization?.scheme === 'symmetric';
    const exact = isSymmetric ? Math.max(-least, most) / (steps / 2) : (most - least) / steps;
    const wanted = Math.max(exact, SMALLEST_SCALE);
    const scale = scaleOf(begin);
    if (!(Math.abs(scale - wanted) <= wanted * ulpOf(planned, wanted))) {
      expect.fail(`${name}, element ${begin}: the scale is ${scale}, its range asks for ${wanted}.`);
    }
  }
}

function expectCodes(values: Float64Array, quantized: Quantized, planned: PlannedTensor): void {
  const { name, quantization } = planned;
  const { codes, lowest, highest, scaleOf, zeroPointOf } = quantized;
  const isSymmetric = quantization?.scheme === 'symmetric';
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? Number.NaN;
    const code = codes[index] ?? Number.NaN;
    const scale = scaleOf(index);
    const zeroPoint = zeroPointOf(index);
    if (!(zeroPoint >= lowest && zeroPoint <= highest)) {
      expect.fail(`${name}, element ${index}: the zero point is ${zeroPoint}.`);
    }
    const steps = (value - (code - zeroPoint) * scale) / scale;
    const isBeyond = (code === highest && steps > 0) || (code === lowest && steps < 0);
    // A scale that was rounded down leaves the ends of the range outside, and so does the zero point.
    const beyond = (highest - lowest) * ulpOf(planned, scale) + (isSymmetric ? 0 : 0.5);
    if (!(Math.abs(steps) <= 0.5 + TIE + (isBeyond ? beyond : 0))) {
      expect.fail(
        `${name}, element ${index}: ${value} became code ${code}, ${steps} steps of ${scale} away.`,
      );
    }
  }
}

function ulpOf({ quantization }: PlannedTensor, scale: number): number {
  const dtype = quantization?.scaleDtype ?? 'F32';
  const relative = HALF_ULP[dtype] ?? 0;
  return dtype === 'F16' ? Math.max(relative, F16_HALF_STEP / scale) : relative;
}
