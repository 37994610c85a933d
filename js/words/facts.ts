/**
 * Labelled facts: the head of every report, whatever it is shown on.
 * They exist so that text, Markdown, HTML and the page say the same with the same numbers.
 */
import type { Reason, Sizes } from '../api/types.js';
import { countBy } from './counts.js';
import { formatBytes, formatCount, formatPlural, formatRatio } from './format.js';
import { isPartOfFile, takenBytes } from './sizes.js';
import { REASON_WORDS } from './wording.js';

/** A fact without a label goes on with the one above. Undefined ones are left out. Texts may come from files. */
export type PlainFact = readonly [label: string, text: string] | undefined;

/** `359.9 kB → 112.4 kB, 3.20× smaller, 9.98 bits per weight`; `359.9 kB of 1.1 MB` if much was not taken. */
export function sizesText({ sourceBytes, tensorBytes, outputBytes, bitsPerWeight }: Sizes): string {
  const source = { bytes: sourceBytes, tensorBytes };
  const taken = takenBytes(source);
  const of = isPartOfFile(source) ? ` of ${formatBytes(sourceBytes)}` : '';
  const ratio = formatRatio(taken, outputBytes);
  return `${formatBytes(taken)}${of} → ${formatBytes(outputBytes)}, ${ratio}, ${bitsPerWeight.toFixed(2)} bits per weight`;
}

/** `15 tensors: 9 one-dimensional, 3 norm`, the commonest reason first. */
export function reasonsText(tensors: readonly { readonly reason: Reason }[]): string {
  const counts = countBy(tensors, ({ reason }) => REASON_WORDS[reason]);
  const list = counts.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ');
  return `${formatPlural(tensors.length, 'tensor')}: ${list}`;
}
