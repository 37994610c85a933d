/**
 * The content of one tensor.
 * It exists so that programs can look at weights without knowing how they are stored.
 * Bytes are little-endian and in row-major order, whatever the file had.
 */
import type { Dtype } from './catalog.js';
import { MonoquantError } from './errors.js';

export type TensorValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface TensorData {
  readonly name: string;
  /** Of the bytes: F32 where the tensor was stored as codes. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** The elements as numbers; F16 and BF16 as the f32 numbers that they are. Not for types without a number type. */
  toTypedArray(): TensorValues;
}

type Reader = (buffer: ArrayBuffer) => TensorValues;

const READERS: { readonly [D in Dtype]?: Reader } = {
  BOOL: (buffer) => new Uint8Array(buffer),
  U8: (buffer) => new Uint8Array(buffer),
  I8: (buffer) => new Int8Array(buffer),
  I16: (buffer) => new Int16Array(buffer),
  U16: (buffer) => new Uint16Array(buffer),
  I32: (buffer) => new Int32Array(buffer),
  U32: (buffer) => new Uint32Array(buffer),
  I64: (buffer) => new BigInt64Array(buffer),
  U64: (buffer) => new BigUint64Array(buffer),
  F64: (buffer) => new Float64Array(buffer),
  F32: (buffer) => new Float32Array(buffer),
  F16: (buffer) => Float32Array.from(new Uint16Array(buffer), floatOfHalf),
  BF16: (buffer) =>
    new Float32Array(Uint32Array.from(new Uint16Array(buffer), (b) => b << 16).buffer),
};

export function tensorData(
  name: string,
  dtype: Dtype,
  shape: readonly number[],
  bytes: Uint8Array,
): TensorData {
  return {
    name,
    dtype,
    shape,
    bytes,
    toTypedArray() {
      const read = READERS[dtype];
      if (read !== undefined) return read(bytes.slice().buffer);
      throw new MonoquantError('invalid-options', `JavaScript has no numbers for ${dtype}.`, {
        suggestion: 'Take its bytes, or convert the file first.',
        tensor: name,
      });
    },
  };
}

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 mantissa bits. */
function floatOfHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}
