/**
 * Reads quantized tensors back from an output file: codes, scales, zero points, values.
 * It exists as the independent reader of what the engine writes (compressed-tensors, as its own code lays it out).
 * Every shape, type and padding bit is checked on the way; nothing is taken from the engine but the plan.
 */
import type { PlannedTensor } from '../../js/api/types.js';
import { decodeFloats } from './floats.js';
import { elementsOf, type TensorFile, tensorOf } from './safetensors.js';

export interface Quantized {
  /** The tensor as a matrix: all rows of all experts, and what one output is summed over. */
  readonly rows: number;
  readonly columns: number;
  readonly lowest: number;
  readonly highest: number;
  /** Signed, row by row. */
  readonly codes: Int16Array;
  /** For each element, as a function of its index. */
  readonly scaleOf: (index: number) => number;
  readonly zeroPointOf: (index: number) => number;
}

/** (code - zero point) · scale, without any rounding that matters. */
export function valueAt(tensor: Quantized, index: number): number {
  const code = tensor.codes[index] ?? Number.NaN;
  return (code - tensor.zeroPointOf(index)) * tensor.scaleOf(index);
}

export function readQuantized(file: TensorFile, planned: PlannedTensor): Quantized {
  const { name, shape, kind, quantization } = planned;
  if (quantization === undefined) throw new Error(`"${name}" is not quantized.`);
  const { bits, scheme, strategy, groupSize, scaleDtype } = quantization;
  const isStack = kind === 'experts';
  const experts = isStack ? at(shape, 0) : 1;
  const outputs = at(shape, isStack ? 1 : 0);
  const rows = experts * outputs;
  const columns = elementsOf(shape) / rows;
  const groups = strategy === 'group' ? columns / groupSize : 1;
  if (!Number.isInteger(groups)) throw new Error(`"${name}": groups do not divide the row.`);

  /** [outputs, last], with the rank of the weight. */
  const rowShape = (count: number, last: number) =>
    isStack ? [experts, count, last] : shape.map((_, axis) => [count, last][axis] ?? 1);
  const scaleShape = strategy === 'tensor' ? [1] : rowShape(outputs, groups);
  const scale = expectTensor(file, `${name}_scale`, scaleDtype, scaleShape);
  const scales = decodeFloats(scaleDtype, scale);

  const isPacked = file.tensors.has(`${name}_packed`);
  const scopeOf = (index: number) =>
    strategy === 'tensor' ? 0 : Math.floor(index / (columns / groups));
  const zeroPoints = readZeroPoints();
  return {
    rows,
    columns,
    lowest: -(2 ** (bits - 1)),
    highest: 2 ** (bits - 1) - 1,
    codes: isPacked ? readPacked() : Int16Array.from(readPlain()),
    scaleOf: (index) => scales[scopeOf(index)] ?? Number.NaN,
    zeroPointOf: (index) => zeroPoints?.[scopeOf(index)] ?? (zeroPoints ? Number.NaN : 0),
  };

  function readPlain(): Int8Array {
    if (bits !== 8) throw new Error(`"${name}" has ${bits} bits and is not packed.`);
    return new Int8Array(expectTensor(file, name, 'I8', shape).buffer);
  }

  function readPacked(): Int16Array {
    if (file.tensors.has(name)) throw new Error(`"${name}" is there beside its packed codes.`);
    const words = Math.ceil((columns * bits) / 32);
    const packedShape = isStack ? [experts, outputs, words] : [outputs, words];
    const packed = expectTensor(file, `${name}_packed`, 'I32', packedShape);
    const original = expectTensor(file, `${name}_shape`, 'I64', [shape.length]);
    if ([...new BigInt64Array(original.buffer)].join() !== shape.join()) {
      throw new Error(`"${name}_shape" is not the shape.`);
    }
    const codes = new Int16Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      const bytes = packed.subarray(row * words * 4, (row + 1) * words * 4);
      const line = unpack(bytes, bits, columns);
      codes.set(line, row * columns);
    }
    return codes;
  }

  function readZeroPoints(): ArrayLike<number> | undefined {
    if (scheme === 'symmetric') {
      if (file.tensors.has(`${name}_zero_point`)) throw new Error(`"${name}" has zero points.`);
      return undefined;
    }
    if (!file.tensors.has(`${name}_packed`)) {
      return new Int8Array(expectTensor(file, `${name}_zero_point`, 'I8', scaleShape).buffer);
    }
    // Packed along the outputs of each expert: word [w, g] holds those of 32 / bits rows.
    const perWord = 32 / bits;
    const words = Math.ceil(outputs / perWord);
    const packed = expectTensor(file, `${name}_zero_point`, 'I32', rowShape(words, groups));
    const unpacked = new Int16Array(rows * groups);
    for (let expert = 0; expert < experts; expert++) {
      for (let group = 0; group < groups; group++) {
        const column = new Uint8Array(words * 4);
        for (let word = 0; word < words; word++) {
          const from = ((expert * words + word) * groups + group) * 4;
          column.set(packed.subarray(from, from + 4), word * 4);
        }
        for (const [output, zeroPoint] of unpack(column, bits, outputs).entries()) {
          unpacked[(expert * outputs + output) * groups + group] = zeroPoint;
        }
      }
    }
    return unpacked;
  }
}

/** Codes from a stream of little-endian words, lowest bits first, shifted to unsigned. What follows must be 0. */
function unpack(bytes: Uint8Array, bits: 4 | 8, count: number): Int16Array {
  const perByte = 8 / bits;
  const codes = new Int16Array(count);
  for (let index = 0; index < bytes.length * perByte; index++) {
    const byte = bytes[Math.floor(index / perByte)] ?? 0;
    const code = (byte >> ((index % perByte) * bits)) & (2 ** bits - 1);
    if (index < count) codes[index] = code - 2 ** (bits - 1);
    else if (code !== 0) throw new Error('Bits beyond the last code are not 0.');
  }
  return codes;
}

function expectTensor(
  file: TensorFile,
  name: string,
  dtype: string,
  shape: readonly number[],
): Uint8Array<ArrayBuffer> {
  const tensor = tensorOf(file, name);
  if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
    throw new Error(
      `"${name}" is ${tensor.dtype} [${tensor.shape}], expected ${dtype} [${shape}].`,
    );
  }
  return tensor.bytes.slice();
}

function at(shape: readonly number[], axis: number): number {
  return shape[axis] ?? Number.NaN;
}
