/**
 * Writes GGUF files, for tests only: version 3, little-endian.
 * It exists so that the blocks among the fixtures need no files of their own around them.
 * Types are ggml's numbers.
 */
import type { Bytes } from '../host/host.js';

/** ggml_type, by name. */
export const GGML_TYPES: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ2_XXS: 16,
  IQ2_XS: 17,
  IQ3_XXS: 18,
  IQ1_S: 19,
  IQ4_NL: 20,
  IQ3_S: 21,
  IQ2_S: 22,
  IQ4_XS: 23,
  IQ1_M: 29,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
  NVFP4: 40,
  Q1_0: 41,
  Q2_0: 42,
};

export interface GgufTensor {
  readonly name: string;
  /** A name of GGML_TYPES. */
  readonly type: string;
  /** The last dimension runs fastest. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

const ALIGNMENT = 32;
const STRING = 8;

/** Keys are text or 32-bit numbers. */
export function writeGguf(
  tensors: readonly GgufTensor[],
  keys: Readonly<Record<string, string | number>> = {},
): Bytes {
  const parts: number[] = [...new TextEncoder().encode('GGUF')];
  const number = (value: number, bytes: number) => {
    for (let i = 0; i < bytes; i++) parts.push(Math.floor(value / 256 ** i) % 256);
  };
  const text = (value: string) => {
    const bytes = new TextEncoder().encode(value);
    number(bytes.length, 8);
    parts.push(...bytes);
  };
  number(3, 4);
  number(tensors.length, 8);
  number(Object.keys(keys).length, 8);
  for (const [key, value] of Object.entries(keys)) {
    text(key);
    number(typeof value === 'string' ? STRING : 4, 4);
    if (typeof value === 'string') text(value);
    else number(value, 4);
  }
  let offset = 0;
  for (const { name, type, shape, bytes } of tensors) {
    text(name);
    number(shape.length, 4);
    for (const extent of [...shape].reverse()) number(extent, 8);
    number(GGML_TYPES[type] ?? 0, 4);
    number(offset, 8);
    offset += aligned(bytes.length);
  }
  const begin = aligned(parts.length);
  const file = new Uint8Array(begin + offset);
  file.set(parts);
  let position = begin;
  for (const { bytes } of tensors) {
    file.set(bytes, position);
    position += aligned(bytes.length);
  }
  return file;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
