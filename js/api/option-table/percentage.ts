/**
 * A share of something, in the words that people write: `20%`.
 */
import { unexpected } from '../check.js';
import type { Kind } from './kind.js';

const ALL = 100;

/** Percent: above 0, below 100. */
export const percentage: Kind<number, number | string> = {
  form: { kind: 'text' },
  check: (value, key) => {
    if (value === undefined) return undefined;
    const percent = typeof value === 'string' ? percentOf(value) : value;
    if (typeof percent === 'number' && percent > 0 && percent < ALL) return percent;
    throw unexpected('a percentage above 0 and below 100, such as "20%",', key, value);
  },
};

function percentOf(text: string): number | undefined {
  const [, number] = /^(\d+(?:\.\d+)?) ?%?$/.exec(text.trim()) ?? [];
  return number === undefined ? undefined : Number(number);
}
