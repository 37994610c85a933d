/**
 * Which part of an output is to be made, as people say it: `2/5`.
 */
import { unexpected } from '../check.js';
import type { Kind } from './kind.js';

/** One of `count`, counted from 0. */
export interface PartChoice {
  readonly index: number;
  readonly count: number;
}

/** More than any cluster has machines for one model. */
const MOST_PARTS = 10_000;

export const part: Kind<string> = {
  form: { kind: 'text' },
  check: (value, key) => {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && partOf(value) !== undefined) return value;
    throw unexpected(`a part such as "2/5", of 2 to ${MOST_PARTS},`, key, value);
  },
};

/** Undefined if there is no such part. */
export function partOf(text: string): PartChoice | undefined {
  const [, number, of] = /^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? [];
  const index = Number(number) - 1;
  const count = Number(of);
  return index >= 0 && index < count && count >= 2 && count <= MOST_PARTS
    ? { index, count }
    : undefined;
}

/** What it is called behind the name of the whole. */
export function partEnding({ index, count }: PartChoice): string {
  return `.part-${index + 1}-of-${count}`;
}
