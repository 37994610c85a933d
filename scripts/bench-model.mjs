// Writes models for the benchmark: layers of a language model with normally distributed weights, the same in each.
// Why: their size is a parameter, and no model has to be downloaded.
// Always: the same bytes for the same parameters.

import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** @typedef {'F32' | 'BF16' | 'F16'} Dtype */

const SIDE = 4096;

/**
 * @param {string} path
 * @param {Dtype} dtype
 * @param {number} wanted bytes
 * @param {boolean} isSparse only zeros, which take no room on the disk
 * @returns {{bytes: number, weights: number}}
 */
export function writeModel(path, dtype, wanted, isSparse = false) {
  const width = dtype === 'F32' ? 4 : 2;
  const layer = SIDE * SIDE * width;
  const count = Math.round(wanted / layer);
  const header = { __metadata__: { format: 'pt' } };
  for (let i = 0; i < count; i++) {
    header[`model.layers.${i}.mlp.down_proj.weight`] = {
      dtype,
      shape: [SIDE, SIDE],
      data_offsets: [i * layer, (i + 1) * layer],
    };
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(path, 'w');
  writeSync(file, length);
  writeSync(file, json);
  if (isSparse) ftruncateSync(file, 8 + json.length + count * layer);
  else {
    const weights = normalWeights(SIDE * SIDE, dtype);
    for (let i = 0; i < count; i++) writeSync(file, weights);
    fsyncSync(file); // else a disk would be busy with it during the first rounds
  }
  closeSync(file);
  return { bytes: 8 + json.length + count * layer, weights: count * SIDE * SIDE };
}

/**
 * A file of one tensor of F32.
 * @param {string} path
 * @param {string} name
 * @param {readonly [number, number]} shape
 * @param {boolean} isInput columns of different sizes that move together, as inputs of layers do
 */
export function writeTensor(path, name, shape, isInput = false) {
  const [rows, columns] = shape;
  const bytes = rows * columns * 4;
  const text = JSON.stringify({ [name]: { dtype: 'F32', shape, data_offsets: [0, bytes] } });
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const values = normalWeights(rows * columns, 'F32');
  if (isInput) mixColumns(new Float32Array(values.buffer), rows, columns);
  const file = openSync(path, 'w');
  for (const part of [length, json, values]) writeSync(file, part);
  closeSync(file);
}

/**
 * @param {Float32Array} values
 * @param {number} rows
 * @param {number} columns
 */
function mixColumns(values, rows, columns) {
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    for (let i = 1; i < columns; i++) values[from + i] += 0.7 * values[from + i - 1];
    for (let i = 0; i < columns; i++) values[from + i] *= 1 + ((i * 37) % 64) / 16;
  }
}

/**
 * @param {number} count
 * @param {Dtype} dtype
 */
function normalWeights(count, dtype) {
  const values = new Float32Array(count);
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < count; i += 2) {
    const radius = 0.02 * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  if (dtype === 'F32') return Buffer.from(values.buffer);
  const bits = new Uint32Array(values.buffer);
  const halfOf = dtype === 'F16' ? f16Of : (/** @type {number} */ word) => word >>> 16;
  return Buffer.from(Uint16Array.from(bits, halfOf).buffer);
}

/**
 * Towards zero; no weight here is large.
 * @param {number} word bits of an f32
 */
function f16Of(word) {
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - 112;
  const mantissa = word & 0x7fffff;
  if (exponent > 0) return sign | (exponent << 10) | (mantissa >>> 13);
  return sign | (exponent < -10 ? 0 : (mantissa | 0x800000) >>> (14 - exponent));
}
