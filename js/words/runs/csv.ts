/**
 * Runs as a table for spreadsheets and data frames (RFC 4180): one row a run, the options that people sort by in columns
 * of their own, all of them as JSON in the last.
 */

import { MEASURES, measured } from '../../api/run-measures.js';
import type { RunRecord } from '../../api/run-record.js';
import { printable } from '../printable.js';

/** The most asked for; `options` has all. */
const OPTION_COLUMNS = [
  'bits',
  'scheme',
  'strategy',
  'groupSize',
  'method',
  'mode',
  'format',
] as const;

type Cell = string | number | boolean | null | undefined;

const COLUMNS: readonly (readonly [name: string, value: (run: RunRecord) => Cell])[] = [
  ['id', ({ id }) => id],
  ['parent', ({ parent }) => parent],
  ['started', ({ started }) => started],
  ['command', ({ command }) => command],
  ['exit', ({ exit }) => exit],
  ['error', ({ error }) => error?.code],
  ['model', ({ model }) => model],
  ['output', ({ output }) => output],
  ...OPTION_COLUMNS.map((key) => [key, (run: RunRecord) => run.options[key] as Cell] as const),
  ['sourceBytes', ({ totals }) => totals?.sourceBytes],
  ...MEASURES.map((measure) => [measure, (run: RunRecord) => measured(run, measure)] as const),
  ['worstTensor', ({ quality }) => quality?.worst?.tensor],
  ['warnings', ({ warnings }) => warnings],
  ['seed', ({ seed }) => seed],
  ['version', ({ version }) => version],
  ['engine', ({ engine }) => engine?.kind],
  ['threads', ({ engine }) => engine?.threads],
  ['inputSha256', ({ inputs }) => digests(inputs)],
  ['calibrationSha256', ({ calibration }) => digests(calibration)],
  ['outputSha256', ({ outputs }) => digests(outputs)],
  ['options', ({ options }) => JSON.stringify(options)],
];

export function csvOf(runs: readonly RunRecord[]): string {
  const rows = [
    COLUMNS.map(([name]) => name),
    ...runs.map((run) => COLUMNS.map(([, value]) => cell(value(run)))),
  ];
  return rows.map((row) => `${row.join(',')}\r\n`).join('');
}

function digests(files: RunRecord['inputs']): string {
  return files.map(({ sha256 }) => sha256 ?? '').join(' ');
}

/** Names come from files: nothing in them drives a terminal, and what a spreadsheet takes for a formula is text. */
function cell(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const shown = printable(value);
  const text = /^[=+\-@]/.test(shown) ? `'${shown}` : shown;
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
