/**
 * How large each file of a model may be, in the words that other tools take: `5GB`.
 */
import { unexpected } from '../check.js';
import type { Kind } from './kind.js';

/** Bytes; `source`: as the source is divided; `none`: one file. */
export type ShardSize = number | 'source' | 'none';

/** Powers of 1000, and those of 1024 with an i. */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

export const shardSize: Kind<ShardSize, number | string> = {
  form: { kind: 'text' },
  check: (value, key) => {
    if (value === undefined || value === 'source' || value === 'none') return value;
    const bytes = typeof value === 'string' ? bytesOf(value) : value;
    if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    throw unexpected('a size such as "5GB", "source" or "none"', key, value);
  },
};

function bytesOf(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return number === undefined || factor === undefined
    ? undefined
    : Math.floor(Number(number) * factor);
}
