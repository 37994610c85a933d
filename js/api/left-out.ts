/**
 * What a file holds and nobody here can read, or reads from elsewhere, as warnings.
 * Apart because plans, reports and comparisons tell it in the same words; parts that were not chosen are no news.
 */
import type { LeftOut } from './catalog.js';
import { type Warning, warningOf } from './warning.js';

/** `where`: the file, where there are several. */
export function leftOutWarnings(leftOut: readonly LeftOut[], where = ''): readonly Warning[] {
  return [...lostWarning(leftOut, where), ...supersededWarning(leftOut, where)];
}

function lostWarning(leftOut: readonly LeftOut[], where: string): readonly Warning[] {
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

function supersededWarning(leftOut: readonly LeftOut[], where: string): readonly Warning[] {
  const superseded = leftOut.filter((part) => part.supersededBy !== undefined);
  const [first, ...others] = superseded;
  const of = where === '' ? '' : ` ${where}`;
  const read = `is read from "${first?.supersededBy}"`;
  const what =
    others.length === 0
      ? `The tensor "${first?.name}"${of} is in several files and ${read}, as the index says`
      : `${superseded.length} tensors${of} are in several files and are read from where the index says: "${first?.name}" ${read}`;
  return warningOf(
    'left-out',
    `${what}. If another one is meant, change the index.`,
    superseded.map(({ name }) => name),
  );
}
