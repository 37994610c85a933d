/**
 * How layers and what is before them trade magnitudes: a word, or the alpha of SmoothQuant.
 */
import { unexpected } from '../check.js';
import type { Kind } from './kind.js';

export const SMOOTHINGS = ['off', 'auto', 'awq'] as const;
/** A number from 0 to 1 is SmoothQuant's alpha for all layers. */
export type Smoothing = (typeof SMOOTHINGS)[number] | number;

export const smoothing: Kind<Smoothing, Smoothing | string> = {
  form: { kind: 'text' },
  check: (value, key) => {
    if (value === undefined) return undefined;
    const word = SMOOTHINGS.find((one) => one === value);
    if (word !== undefined) return word;
    const alpha = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof alpha === 'number' && alpha >= 0 && alpha <= 1) return alpha;
    throw unexpected('auto, awq, off or a number from 0 to 1', key, value);
  },
};
