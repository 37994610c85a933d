/**
 * What a file holds and nobody here can read, as a warning.
 * Apart because plans, reports and comparisons tell it in the same words; parts that were not chosen are no news.
 */
import type { LeftOut } from './catalog.js';
import { type Warning, warningOf } from './warning.js';

/** `where`: the file, where there are several. */
export function leftOutWarnings(leftOut: readonly LeftOut[], where = ''): readonly Warning[] {
  const lost = leftOut.filter((part) => part.lost);
  const [first, ...others] = lost;
  const of = where === '' ? '' : ` ${where}`;
  const what =
    others.length === 0
      ? `The tensor "${first?.name}"${of} cannot be read here and is left out: it is ${first?.reason}`
      : `${lost.length} tensors${of} cannot be read here and are left out; "${first?.name}" is ${first?.reason}`;
  return warningOf(
    'left-out',
    `${what}. Save them as plain tensors, in the program that made them.`,
    lost.map(({ name }) => name),
  );
}
