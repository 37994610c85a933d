/**
 * What a run did, as one calm block of text.
 * It exists for people: programs take the same facts from the JSON report.
 * The worst tensors with what was lost in them; every tensor only if that is asked for.
 */
import type { Quality, Report } from '../../js/api/types.js';
import { formatDuration, formatPlural } from '../../js/words/format.js';
import { reportFacts } from '../../js/words/report/facts.js';
import { knowsOutputs, narrowed, reportTables } from '../../js/words/report/tables.js';
import { type Fact, renderFacts } from './facts.js';
import type { Screen, Style } from './screen.js';
import { renderTableView } from './text-table.js';

const WORST_SHOWN = 5;
/** Up to the errors. */
const COLUMNS_SHOWN = 4;

export function renderReport(
  report: Report,
  /** Undefined: a gate has closed, and nothing was written. */
  output: string | undefined,
  screen: Screen,
  verbose: boolean,
): string {
  const facts = [...reportFacts(report, output), ...(verbose ? moreFacts(report) : [])];
  const tables = verbose ? reportTables(report) : worst(report);
  const blocks = [
    renderFacts(facts, screen),
    ...tables.map((table) => renderTableView(table, { screen }, rowStyle)),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function worst(report: Report) {
  const lossy = report.tensors.filter(({ sqnrDb }) => sqnrDb !== null);
  const shown = {
    ...report,
    tensors: lossy.slice(0, WORST_SHOWN),
    copied: [],
    corrected: [],
    tied: [],
    dropped: [],
  };
  return reportTables(shown).map((table) => ({
    ...narrowed(table, COLUMNS_SHOWN + (knowsOutputs(report) ? 1 : 0)),
    title: 'worst tensors',
  }));
}

function moreFacts({ engine, timings }: Report): Fact[] {
  const { planMs, encodeMs, verifyMs, compressMs } = timings;
  const steps = [
    `plan ${formatDuration(planMs)}`,
    `encode ${formatDuration(encodeMs)}`,
    `verify ${formatDuration(verifyMs)}`,
    ...(compressMs === undefined ? [] : [`compress ${formatDuration(compressMs)}`]),
  ];
  return [
    ['', steps.join(', ')],
    ['engine', `${engine.kind}, ${formatPlural(engine.threads, 'thread')}`],
  ];
}

const QUALITY_STYLES: Readonly<Record<Quality, Style>> = {
  good: 'plain',
  low: 'yellow',
  'very-low': 'red',
};

function rowStyle({ quality = 'good' }: { readonly quality?: Quality }): Style {
  return QUALITY_STYLES[quality];
}
