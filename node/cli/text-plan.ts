/**
 * A plan as text: every tensor with what will become of it, then the totals.
 * It exists for `--dry-run`: what is shown here is what a run will obey.
 * Every tensor is listed; only long names are shortened, and not where the output is no terminal.
 */
import type { Plan } from '../../js/api/types.js';
import { planFacts } from '../../js/words/report/facts.js';
import { narrowed, planTables } from '../../js/words/report/tables.js';
import { renderFacts } from './facts.js';
import type { Screen } from './screen.js';
import { renderTableView } from './text-table.js';

/** Without the explanations. */
const COLUMNS_SHOWN = 5;

export function renderPlan(plan: Plan, output: string, screen: Screen, verbose: boolean): string {
  // Explanations are sentences: with them, nothing is cut and the terminal breaks the lines.
  const layout = { screen, ...(verbose && { width: Number.POSITIVE_INFINITY }) };
  const tables = planTables(plan).map((table) => {
    const shown = verbose ? table : narrowed(table, COLUMNS_SHOWN);
    return renderTableView({ ...shown, title: 'tensor' }, layout, ({ isUnchanged }) =>
      isUnchanged === true ? 'dim' : 'plain',
    );
  });
  return `${[...tables.flat(), '', ...renderFacts(planFacts(plan, output), screen)].join('\n')}\n`;
}
