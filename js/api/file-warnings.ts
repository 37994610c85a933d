/**
 * What somebody should know of a file before any work, as warnings.
 * Apart because plans, reports, comparisons and validations tell it in the same words.
 */
import type { Catalog, Danger } from './catalog.js';
import { leftOutWarnings } from './left-out.js';
import type { Warning } from './warning.js';

/** More names than these are only counted. */
const NAMES_SHOWN = 5;

/** `where`: the file, where there are several: "of the first file". */
export function fileWarnings(catalog: Catalog, where = ''): readonly Warning[] {
  return [...pickleWarnings(catalog, where), ...leftOutWarnings(catalog.leftOut, where)];
}

/** What a file would or might do where it is loaded in Python. It does nothing here. */
export function pickleWarnings(
  { globals, opaque }: Pick<Catalog, 'globals' | 'opaque'>,
  where = '',
): readonly Warning[] {
  const named = (danger: Danger) =>
    globals
      .filter((global) => global.danger === danger)
      .map(({ module, name }) => `${module}.${name}`);
  const of = where === '' ? 'The pickle' : `The pickle ${where}`;
  const parts = opaque.map(({ member, reason }) => `"${member}" is ${reason}`);
  const inParts = where === '' ? 'Parts of the file' : `Parts ${where}`;
  return [
    ...about(
      'pickle-dangerous',
      named('dangerous'),
      (list) =>
        `${of} names ${list}, which can run code or reach files where it is loaded in Python. Nothing of it was run here; do not load it with torch.load.`,
    ),
    ...about(
      'pickle-unknown',
      named('unknown'),
      (list) =>
        `${of} names ${list}, of which nothing is known here: it may run code where it is loaded in Python. Load it only if you trust where it came from.`,
    ),
    ...about(
      'opaque-part',
      parts,
      (list) =>
        `${inParts} may run code where it is loaded, and do not show what: ${list}. Load it only if you trust where it came from.`,
    ),
  ];
}

/** It speaks of names and parts, not of tensors. */
function about(
  code: Warning['code'],
  names: readonly string[],
  message: (list: string) => string,
): readonly Warning[] {
  if (names.length === 0) return [];
  const hidden = names.length - NAMES_SHOWN;
  const more = hidden > 0 ? ` and ${hidden} more` : '';
  const list = `${names.slice(0, NAMES_SHOWN).join(', ')}${more}`;
  return [{ code, message: message(list), tensors: [], total: 0 }];
}
