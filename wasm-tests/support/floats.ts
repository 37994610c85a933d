/**
 * Elements of every float type of the format, as numbers and back.
 * It exists so that tests judge the engine's conversions by arithmetic that is not the engine's.
 * Decoding is exact; encoding rounds half to even, once, from the double that it is given.
 */
import type { Dtype } from '#package';

/** Exponent bits, mantissa bits. */
const NARROW: Partial<Record<Dtype, readonly [exponent: number, mantissa: number]>> = {
  F16: [5, 10],
  BF16: [8, 7],
  F8_E5M2: [5, 2],
  F8_E4M3: [4, 3],
};

/** The largest finite value. */
export const LARGEST = { F16: 65504, BF16: 2 ** 127 * (2 - 2 ** -7) } as const;

export function decodeFloats(dtype: Dtype, bytes: Uint8Array): Float64Array {
  const copy = bytes.slice().buffer;
  if (dtype === 'F64') return new Float64Array(copy);
  if (dtype === 'F32') return Float64Array.from(new Float32Array(copy));
  const narrow = NARROW[dtype];
  if (narrow === undefined) throw new Error(`${dtype} is no float type of these tests.`);
  const codes = dtype.startsWith('F8') ? new Uint8Array(copy) : new Uint16Array(copy);
  return Float64Array.from(codes, (code) => decodeNarrow(code, dtype, ...narrow));
}

function decodeNarrow(code: number, dtype: Dtype, exponentBits: number, mantissaBits: number) {
  const sign = code >> (exponentBits + mantissaBits) ? -1 : 1;
  const exponent = (code >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = code & (2 ** mantissaBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  if (dtype === 'F8_E4M3') {
    // No infinity: all bits set is the only NaN.
    if (exponent === 15 && mantissa === 7) return Number.NaN;
  } else if (exponent === 2 ** exponentBits - 1) {
    return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa * 2 ** -mantissaBits) * 2 ** (exponent - bias);
}

export function encodeFloats(dtype: Dtype, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  if (dtype === 'F64') return new Uint8Array(Float64Array.from(values).buffer);
  if (dtype === 'F32') return new Uint8Array(Float32Array.from(values).buffer);
  const narrow = NARROW[dtype];
  if (narrow === undefined) throw new Error(`${dtype} is no float type of these tests.`);
  const codes = Uint16Array.from(values, (value) => encodeNarrow(value, ...narrow));
  return dtype.startsWith('F8') ? Uint8Array.from(codes) : new Uint8Array(codes.buffer);
}

function encodeNarrow(value: number, exponentBits: number, mantissaBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = (value < 0 || Object.is(value, -0) ? 1 : 0) << (exponentBits + mantissaBits);
  const infinity = (2 ** exponentBits - 1) << mantissaBits;
  if (Number.isNaN(value)) return infinity | 1;
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | infinity;
  const exponent = Math.max(exponentOf(magnitude), 1 - bias);
  // In units of the last place: 2^mantissaBits and more, except below the smallest normal number.
  const units = roundHalfEven(magnitude / 2 ** (exponent - mantissaBits));
  // A carry out of the mantissa runs into the exponent, as it has to.
  const code = ((exponent + bias - 1) << mantissaBits) + units;
  return sign | Math.min(code, infinity);
}

/** floor(log2) of a positive number, exactly. */
function exponentOf(magnitude: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, magnitude);
  return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}
