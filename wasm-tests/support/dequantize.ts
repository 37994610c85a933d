/**
 * Reads quantized tensors back from an output file: codes, scales, zero points, values.
 * It exists as a reader of compressed-tensors that shares nothing with the engine that writes it.
 * Every shape, type and padding bit is checked on the way; only the plan is taken from the engine.
 */
import type { PlannedTensor } from '#package';
import { decodeFloats } from './floats.js';
import { elementsOf, type TensorFile, tensorOf } from './safetensors.js';

export interface Quantized {
  readonly lowest: number;
  readonly highest: number;
  /** Signed, in the order of the tensor's elements. */
  readonly codes: Int16Array;
  /** Elements that share a scale and a zero point; those of scope n follow those of scope n - 1. */
  readonly scopeSize: number;
  readonly scales: Float64Array;
  readonly zeroPoints: Int16Array;
}

/** (code - zero point) · scale of every element, without any rounding that matters. */
export function dequantize(tensor: Quantized): Float64Array {
  const { codes, scopeSize, scales, zeroPoints } = tensor;
  const values = new Float64Array(codes.length);
  // Plain loops here and below: these are millions of elements.
  for (let index = 0; index < values.length; index++) {
    const scope = Math.floor(index / scopeSize);
    const steps = (codes[index] ?? Number.NaN) - (zeroPoints[scope] ?? Number.NaN);
    values[index] = steps * (scales[scope] ?? Number.NaN);
  }
  return values;
}

/** How a tensor is cut: a stack of matrices (of one, but for experts), rows that are outputs, groups. */
interface Cut {
  readonly matrices: number;
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
}

export function readQuantized(file: TensorFile, planned: PlannedTensor): Quantized {
  const { name, quantization } = planned;
  if (quantization === undefined) throw new Error(`"${name}" is not quantized.`);
  const { bits, strategy, scaleDtype } = quantization;
  const cut = cutOf(planned);
  const perTensor = strategy === 'tensor';
  const scaleShape = perTensor ? [1] : rowShape(planned, cut.rows, cut.groups);
  const scales = decodeFloats(scaleDtype, take(file, `${name}_scale`, scaleDtype, scaleShape));
  const isPacked = file.tensors.has(`${name}_packed`);
  const scopeSize = perTensor ? elementsOf(planned.shape) : cut.columns / cut.groups;
  return {
    lowest: -(2 ** (bits - 1)),
    highest: 2 ** (bits - 1) - 1,
    codes: isPacked ? packedCodes(file, planned, bits, cut) : plainCodes(file, planned, bits),
    scopeSize,
    scales,
    zeroPoints: zeroPointsOf(),
  };

  function zeroPointsOf(): Int16Array {
    const key = `${name}_zero_point`;
    if (quantization?.scheme === 'symmetric') {
      if (file.tensors.has(key)) throw new Error(`"${key}" is there although nothing is shifted.`);
      return new Int16Array(scales.length);
    }
    // Packed where the codes are, except for the single one of a tensor.
    if (isPacked && !perTensor) return packedZeroPoints(file, planned, bits, cut);
    return Int16Array.from(new Int8Array(take(file, key, 'I8', scaleShape).buffer));
  }
}

function cutOf({ name, kind, shape, quantization }: PlannedTensor): Cut {
  const isStack = kind === 'experts';
  const [first = 0, second = 0] = shape;
  const matrices = isStack ? first : 1;
  const rows = isStack ? second : first;
  const columns = elementsOf(shape) / (matrices * rows);
  const isGrouped = quantization?.strategy === 'group';
  const groups = isGrouped ? columns / quantization.groupSize : 1;
  if (!Number.isInteger(groups)) throw new Error(`"${name}": its groups do not divide its rows.`);
  return { matrices, rows, columns, groups };
}

/** [rows, last] with the rank of the weight: experts in front, ones for the kernel behind. */
function rowShape({ kind, shape }: PlannedTensor, rows: number, last: number): number[] {
  if (kind === 'experts') return [shape[0] ?? 0, rows, last];
  return shape.map((_, axis) => [rows, last][axis] ?? 1);
}

function plainCodes(file: TensorFile, { name, shape }: PlannedTensor, bits: number): Int16Array {
  if (bits !== 8) throw new Error(`"${name}" has ${bits} bits and is not packed.`);
  return Int16Array.from(new Int8Array(take(file, name, 'I8', shape).buffer));
}

function packedCodes(
  file: TensorFile,
  { name, kind, shape }: PlannedTensor,
  bits: number,
  { matrices, rows, columns }: Cut,
): Int16Array {
  if (file.tensors.has(name)) throw new Error(`"${name}" is there beside its packed codes.`);
  const words = Math.ceil((columns * bits) / 32);
  const packedShape = kind === 'experts' ? [matrices, rows, words] : [rows, words];
  const packed = take(file, `${name}_packed`, 'I32', packedShape);
  const original = take(file, `${name}_shape`, 'I64', [shape.length]);
  if ([...new BigInt64Array(original.buffer)].join() !== shape.join()) {
    throw new Error(`"${name}_shape" does not hold the shape.`);
  }
  const codes = new Int16Array(matrices * rows * columns);
  for (let row = 0; row < matrices * rows; row++) {
    const bytes = packed.subarray(row * words * 4, (row + 1) * words * 4);
    codes.set(unpack(bytes, bits, columns), row * columns);
  }
  return codes;
}

/** Word [w, g] of each matrix holds group g of the rows whose codes have bits 32 w to 32 w + 31. */
function packedZeroPoints(
  file: TensorFile,
  planned: PlannedTensor,
  bits: number,
  { matrices, rows, groups }: Cut,
): Int16Array {
  const words = Math.ceil((rows * bits) / 32);
  const shape = rowShape(planned, words, groups);
  const packed = take(file, `${planned.name}_zero_point`, 'I32', shape);
  const zeroPoints = new Int16Array(matrices * rows * groups);
  for (let matrix = 0; matrix < matrices; matrix++) {
    for (let group = 0; group < groups; group++) {
      const column = new Uint8Array(words * 4);
      for (let word = 0; word < words; word++) {
        const from = ((matrix * words + word) * groups + group) * 4;
        column.set(packed.subarray(from, from + 4), word * 4);
      }
      for (const [row, zeroPoint] of unpack(column, bits, rows).entries()) {
        zeroPoints[(matrix * rows + row) * groups + group] = zeroPoint;
      }
    }
  }
  return zeroPoints;
}

/** From little-endian words, lowest bits first, shifted to unsigned; what follows the last must be 0. */
function unpack(bytes: Uint8Array, bits: number, count: number): Int16Array {
  const codes = new Int16Array(count);
  for (let index = 0; index * bits < bytes.length * 8; index++) {
    const [at, shift] = [Math.floor((index * bits) / 8), (index * bits) % 8];
    const both = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    const code = (both >> shift) & (2 ** bits - 1);
    if (index < count) codes[index] = code - 2 ** (bits - 1);
    else if (code !== 0) throw new Error('Bits beyond the last code are not 0.');
  }
  return codes;
}

/** Its bytes in a buffer of their own. */
function take(
  file: TensorFile,
  name: string,
  dtype: string,
  shape: readonly number[],
): Uint8Array<ArrayBuffer> {
  const tensor = tensorOf(file, name);
  if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
    const found = `${tensor.dtype} [${tensor.shape}]`;
    throw new Error(`"${name}" is ${found}, expected ${dtype} [${shape}].`);
  }
  return tensor.bytes.slice();
}
