/**
 * What the choices for single tensors are called, wherever they can be made.
 */
import type { OverrideBits } from '../choice.js';

export const BITS_WORDS: Readonly<Record<OverrideBits, string>> = {
  8: 'INT8',
  4: 'INT4',
  16: '16-bit float',
  none: 'Leave alone',
};

/** Keys that make them, in the map and in the table. */
export const BITS_KEYS: Readonly<Record<string, OverrideBits | 'none' | undefined>> = {
  8: '8',
  4: '4',
  1: '16',
  0: 'none',
};
