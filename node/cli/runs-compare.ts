/**
 * `monoquant runs compare`: the options in which runs differ, and how far each is from the baseline.
 */
import type { RunRecord } from '../../js/api/run-record.js';
import {
  type ComparedMeasure,
  compareRuns,
  type RunComparison,
  type SameParts,
} from '../../js/report/run-comparison.js';
import {
  deltaWords,
  howWords,
  MEASURE_WORDS,
  outcomeWords,
  valueWords,
} from '../../js/words/runs/words.js';
import { usageError } from './failure.js';
import type { RunsCall } from './runs-call.js';
import type { Screen } from './screen.js';
import { printJson } from './session.js';
import { type Column, renderTable } from './table.js';

export function compareLogged({ picked, baseline, values, session: { out } }: RunsCall): void {
  const [first, ...others] = picked;
  const base = baseline ?? first;
  if (
    first === undefined ||
    base === undefined ||
    (others.length === 0 && baseline === undefined)
  ) {
    throw usageError(
      'runs compare needs two runs, or one beside a baseline.',
      'For example: monoquant runs compare RUN last; monoquant runs pin RUN makes one the baseline.',
    );
  }
  // The baseline stands first, whoever named it.
  const runs = [base, ...picked.filter(({ id }) => id !== base.id)];
  const comparison = compareRuns(base, runs);
  if (values.json) printJson(out, comparison);
  else out.write(tableOf(comparison, runs, out));
}

function tableOf(comparison: RunComparison, runs: readonly RunRecord[], out: Screen): string {
  const columns: Column[] = [
    { title: '' },
    ...runs.map(({ id }) => ({ title: id, shrink: 'middle' as const })),
  ];
  const rows = [
    ['', ...runs.map((_, index) => (index === 0 ? 'baseline' : ''))],
    ['how', ...runs.map(howWords)],
    ['outcome', ...runs.map(outcomeWords)],
    ...comparison.measures.map(measureRow),
    ...sameRows(comparison.same, runs),
    ...comparison.options.map(({ option, values: chosen }) => [option, ...chosen.map(choiceWords)]),
  ];
  return `${renderTable(columns, rows, { screen: out }).join('\n')}\n`;
}

function measureRow({ measure, values, deltas }: ComparedMeasure): string[] {
  const base = values[0] ?? 0;
  const cells = values.map((value, index) => {
    if (value === null) return '';
    const delta = index === 0 ? null : deltas[index];
    const words = delta == null ? '' : ` (${deltaWords(measure, delta, base)})`;
    return valueWords(measure, value) + words;
  });
  return [MEASURE_WORDS[measure], ...cells];
}

/** Only what is not the same everywhere. */
function sameRows(same: readonly SameParts[], runs: readonly RunRecord[]): string[][] {
  const rows: readonly (readonly [keyof SameParts, string, (run: RunRecord) => string])[] = [
    ['source', 'source', ({ inputs }) => digestWords(inputs)],
    ['calibration', 'calibration', ({ calibration }) => digestWords(calibration)],
    ['version', 'version', ({ version }) => version],
    ['output', 'output', ({ outputs }) => digestWords(outputs)],
  ];
  return rows
    .filter(([part]) => same.some((each) => each[part] !== true))
    .map(([, label, words]) => [label, ...runs.map(words)]);
}

function digestWords(files: RunRecord['inputs']): string {
  return files.map(({ sha256 }) => sha256?.slice(0, 12) ?? '?').join(' ') || 'none';
}

function choiceWords(value: unknown): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}
