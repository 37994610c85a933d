/**
 * Labelled facts, one below the other: the head of every text report.
 * It exists so that all reports share their look and the lines that they have in common.
 * Long facts are wrapped under themselves, labels stand in their own column.
 */
import type { Reason, Sizes } from '../../js/api/types.js';
import { countBy } from '../../js/words/counts.js';
import { formatBytes, formatCount, formatPlural, formatRatio } from '../../js/words/format.js';
import { printable } from '../../js/words/printable.js';
import { isPartOfFile, takenBytes } from '../../js/words/sizes.js';
import { REASON_WORDS } from '../../js/words/wording.js';
import type { Screen, Style } from './screen.js';
import { wrap } from './text.js';

/** A fact without a label goes on with the one above. Undefined lines are left out. Texts may come from files. */
export type Fact = readonly [label: string, text: string, style?: Style] | undefined;

const LABEL_WIDTH = 12;

export function renderFacts(facts: readonly Fact[], screen: Screen): string[] {
  return facts.flatMap((fact) => {
    if (fact === undefined) return [];
    const [label, text, style = 'plain'] = fact;
    const wrapped = wrap(printable(text), screen.columns(), LABEL_WIDTH);
    return [screen.paint('dim', label.padEnd(LABEL_WIDTH)) + screen.paint(style, wrapped)];
  });
}

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
