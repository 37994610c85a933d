/**
 * Labelled facts, one below the other: the head of every text report.
 * It exists so that all reports look alike on a screen.
 * Long facts are wrapped under themselves, labels stand in their own column.
 */
import { printable } from '../../js/words/printable.js';
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
