/**
 * How far the values of an output are from those of its source, and how far they may be.
 * It exists so that every test of numbers applies the same, complete rule to every element.
 * The rule: half a step where a code is not at its limit, and no scale larger than its range needs; or, where
 * scales are searched, the nearest code, and no scope worse than with that scale.
 */
import { expect } from 'vitest';
import type { Dtype, PlannedTensor, Report, TensorReport } from '#package';
import { dequantize, type Quantized, readQuantized } from './dequantize.js';
import { decodeFloats, encodeFloats, roundHalfEven } from './floats.js';
import type { Tensor, TensorFile } from './safetensors.js';

/** The smallest scale in use: that of a scope of zeros. */
export const SMALLEST_SCALE = 2 ** -23;

/** Steps by which f32 arithmetic may miss a tie: 255 steps times a few roundings of 2^-24. */
const TIE = 1e-4;

/** What a stored scale may be off, relative to it: rounding to its type, and f32 arithmetic. */
const SCALE_ROUNDING: Partial<Record<Dtype, number>> = {
  F32: 2 ** -22,
  F16: 2 ** -11 + 2 ** -22,
  BF16: 2 ** -8 + 2 ** -22,
};
/** The same where F16 has no normal numbers any more. */
const F16_HALF_STEP = 2 ** -25;

/**
 * The engine measures errors in f32: a value is off by this much of itself in steps, and for F64 sources
 * once more when it becomes f32.
 */
const MEASURING = 2 ** -22;

export interface ErrorSums {
  readonly signal: number;
  readonly noise: number;
  readonly peak: number;
  /** What measuring in f32 may at most make of `noise` and `peak`. */
  readonly leastNoise: number;
  readonly mostNoise: number;
  readonly peakTolerance: number;
}

export function sumErrors(source: Float64Array, stored: Float64Array): ErrorSums {
  const sums = { signal: 0, noise: 0, peak: 0, leastNoise: 0, mostNoise: 0, peakTolerance: 0 };
  for (let index = 0; index < source.length; index++) {
    const value = source[index] ?? Number.NaN;
    const error = Math.abs(value - (stored[index] ?? Number.NaN));
    const tolerance = MEASURING * Math.abs(value);
    sums.signal += value * value;
    sums.noise += error * error;
    sums.peak = Math.max(sums.peak, error);
    sums.leastNoise += Math.max(0, error - tolerance) ** 2;
    sums.mostNoise += (error + tolerance) ** 2;
    sums.peakTolerance = Math.max(sums.peakTolerance, tolerance);
  }
  return sums;
}

/** What a report must say of weights as they are: their errors in measuring cancel out. */
export function expectReported(report: Report, name: string, sums: ErrorSums): void {
  const reported = reportedOf(report, name);
  const sqnrDb = sqnrOf(sums.signal, sums.noise);
  const difference = Math.abs((reported.sqnrDb ?? Number.POSITIVE_INFINITY) / sqnrDb - 1);
  expect(difference, `${name}: SQNR ${reported.sqnrDb}, in truth ${sqnrDb}`).toBeLessThan(1e-6);
  expectPeak(reported, sums);
}

/** What a report must say of any weights: theirs may all be measured wrong in the same direction. */
export function expectReportedRoughly(report: Report, name: string, sums: ErrorSums): void {
  const reported = reportedOf(report, name);
  const sqnrDb = reported.sqnrDb ?? Number.POSITIVE_INFINITY;
  const least = sqnrOf(sums.signal, sums.mostNoise) - 1e-6;
  const most = sqnrOf(sums.signal, sums.leastNoise) + 1e-6;
  const isWithin = sqnrDb >= least && sqnrDb <= most;
  expect(isWithin, `${name}: SQNR ${sqnrDb}, in truth ${least} to ${most}`).toBe(true);
  expectPeak(reported, sums);
}

function expectPeak({ name, maxError }: TensorReport, { peak, peakTolerance }: ErrorSums): void {
  const isClose = Math.abs(maxError - peak) <= peakTolerance;
  expect(isClose, `${name}: max error ${maxError}, in truth ${peak}`).toBe(true);
}

function reportedOf(report: Report, name: string): TensorReport {
  const reported = report.tensors.find((tensor) => tensor.name === name);
  if (reported === undefined) throw new Error(`"${name}" is not in the report.`);
  return reported;
}

function sqnrOf(signal: number, noise: number): number {
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}

/** Applies the rule to a quantized tensor, and returns its errors. */
export function expectQuantizedWell(
  source: Tensor,
  file: TensorFile,
  planned: PlannedTensor,
): ErrorSums {
  const values = decodeFloats(source.dtype, source.bytes);
  const quantized = readQuantized(file, planned);
  expect(quantized.codes.length, planned.name).toBe(values.length);
  for (const scope of quantized.scales.keys()) expectScope(values, quantized, scope, planned);
  return sumErrors(values, dequantize(quantized));
}

function expectScope(
  values: Float64Array,
  quantized: Quantized,
  scope: number,
  { name, quantization }: PlannedTensor,
): void {
  const { scopeSize, scales, zeroPoints, codes, lowest, highest } = quantized;
  const isSymmetric = quantization?.scheme === 'symmetric';
  const begin = scope * scopeSize;
  const own = values.subarray(begin, begin + scopeSize);
  const scale = scales[scope] ?? Number.NaN;
  const zeroPoint = zeroPoints[scope] ?? Number.NaN;

  const least = own.reduce((a, b) => Math.min(a, b), 0);
  const most = own.reduce((a, b) => Math.max(a, b), 0);
  const steps = highest - lowest;
  const exact = isSymmetric ? Math.max(-least, most) / (steps / 2) : (most - least) / steps;
  const wanted = Math.max(exact, SMALLEST_SCALE);
  const rounding = roundingOf(quantization?.scaleDtype, wanted);
  const isSearched = quantization !== undefined && quantization.method !== 'rtn';
  if (isSearched) expectFound(own, quantized, scope, wanted, quantization);
  else if (!(Math.abs(scale / wanted - 1) <= rounding)) {
    expect.fail(`${name}, scope ${scope}: the scale is ${scale}, its range asks for ${wanted}.`);
  }
  if (!(zeroPoint >= lowest && zeroPoint <= highest)) {
    expect.fail(`${name}, scope ${scope}: the zero point is ${zeroPoint}.`);
  }
  // A scale that was rounded down leaves the ends of the range outside, and so does the zero point.
  const beyond = isSearched ? Infinity : steps * rounding + (isSymmetric ? 0 : 0.5);
  for (let offset = 0; offset < own.length; offset++) {
    const value = own[offset] ?? Number.NaN;
    const code = codes[begin + offset] ?? Number.NaN;
    const missed = value / scale - (code - zeroPoint);
    const isBeyond = (code === highest && missed > 0) || (code === lowest && missed < 0);
    if (Math.abs(missed) <= 0.5 + TIE + (isBeyond ? beyond : 0)) continue;
    const element = begin + offset;
    expect.fail(
      `${name}, element ${element}: ${value} became code ${code}, ${missed} steps of ${scale} off.`,
    );
  }
}

/** A searched scale is at least as good as that of the extremes, and negative only for symmetric 4 bits. */
function expectFound(
  own: Float64Array,
  { lowest, highest, scales, zeroPoints }: Quantized,
  scope: number,
  wanted: number,
  { bits, scheme, scaleDtype }: NonNullable<PlannedTensor['quantization']>,
): void {
  const scale = scales[scope] ?? Number.NaN;
  const least = own.reduce((a, b) => Math.min(a, b), 0);
  const signal = own.reduce((sum, value) => sum + value * value, 0);
  const noise = (step: number, zeroPoint: number) =>
    own.reduce((sum, value) => {
      const code = Math.round(value / step) + zeroPoint;
      return sum + (value - (Math.min(Math.max(code, lowest), highest) - zeroPoint) * step) ** 2;
    }, 0);
  const [plain = Number.NaN] = decodeFloats(scaleDtype, encodeFloats(scaleDtype, [wanted]));
  const plainZero = Math.min(Math.max(lowest - roundHalfEven(least / plain), lowest), highest);
  const limit = noise(plain, scheme === 'symmetric' ? 0 : plainZero);
  const found = noise(scale, zeroPoints[scope] ?? Number.NaN);
  const isSound =
    Math.abs(scale) >= SMALLEST_SCALE && (scale > 0 || (bits === 4 && scheme === 'symmetric'));
  if (isSound && found <= limit * 1.001 + signal * 1e-12) return;
  expect.fail(`scope ${scope}: the scale ${scale} has the error ${found}, ${plain} has ${limit}.`);
}

function roundingOf(dtype: Dtype = 'F32', scale: number): number {
  const relative = SCALE_ROUNDING[dtype] ?? 0;
  return dtype === 'F16' ? Math.max(relative, F16_HALF_STEP / scale) : relative;
}
