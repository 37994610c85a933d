/**
 * `monoquant runs list` and `runs show`: runs as rows, and all that a line says of one.
 */

import { measured } from '../../js/api/run-measures.js';
import type { RunFile, RunRecord } from '../../js/api/run-record.js';
import { formatBytes, formatDuration, formatPlural } from '../../js/words/format.js';
import {
  deltaWords,
  howWords,
  measureWords,
  nameWords,
  outcomeWords,
  timeWords,
} from '../../js/words/runs/words.js';
import { type Fact, renderFacts } from './facts.js';
import type { RunsCall } from './runs-call.js';
import { printJson, printWarning, type Session } from './session.js';
import { type Cell, type Column, renderTable } from './table.js';

const RUNS_SHOWN = 20;

export function listRuns({ runs, baseline, values, log, session }: RunsCall): void {
  const { out, err } = session;
  if (values.json) printJson(out, runs);
  else if (values.quiet) out.write(runs.map(({ id }) => `${id}\n`).join(''));
  else if (runs.length === 0) out.write(`no runs in "${log.path}"\n`);
  else showRows(values.verbose ? runs : runs.slice(-RUNS_SHOWN), baseline, session);
  const hidden = values.verbose || values.json || values.quiet ? 0 : runs.length - RUNS_SHOWN;
  if (hidden > 0) printWarning(err, `${formatPlural(hidden, 'earlier run')}: --verbose lists all.`);
}

function showRows(
  runs: readonly RunRecord[],
  baseline: RunRecord | undefined,
  { out }: Session,
): void {
  const columns: Column[] = [
    { title: 'run' },
    { title: 'model', shrink: 'middle' },
    { title: 'how', shrink: 'end' },
    { title: 'bpw', align: 'right' },
    { title: 'size', align: 'right' },
    { title: 'SQNR', align: 'right' },
    ...(baseline === undefined ? [] : [{ title: 'Δ', align: 'right' } as const]),
    { title: 'worst', align: 'right' },
    { title: 'time', align: 'right' },
    { title: '' },
  ];
  const rows = runs.map((run) => rowOf(run, baseline));
  out.write(`${renderTable(columns, rows, { screen: out }).join('\n')}\n`);
}

function rowOf(run: RunRecord, baseline: RunRecord | undefined): Cell[] {
  const failed = run.exit !== 0;
  const style = failed ? 'red' : run.id === baseline?.id ? 'bold' : 'plain';
  const cells = [
    run.id,
    nameWords(run.model),
    howWords(run),
    measured(run, 'bitsPerWeight')?.toFixed(2) ?? '',
    measureWords(run, 'outputBytes'),
    measureWords(run, 'sqnrDb'),
    ...(baseline === undefined ? [] : [deltaOf(run, baseline)]),
    measureWords(run, 'worstSqnrDb'),
    formatDuration(run.ms),
    run.id === baseline?.id ? 'baseline' : outcomeWords(run),
  ];
  return cells.map((text) => ({ text, style }));
}

function deltaOf(run: RunRecord, baseline: RunRecord): string {
  const [value, base] = [run, baseline].map((each) => measured(each, 'sqnrDb'));
  if (value == null || base == null || run.id === baseline.id) return '';
  return deltaWords('sqnrDb', value - base, base);
}

export function showRun(run: RunRecord, { values, session: { out } }: RunsCall): void {
  if (values.json) printJson(out, run);
  else out.write(`${renderFacts(factsOf(run), out).join('\n')}\n`);
}

function factsOf(run: RunRecord): Fact[] {
  const { id, parent, command, model, output, folder, error, totals, quality, engine } = run;
  const worst = quality?.worst;
  return [
    ['run', id],
    parent === null ? undefined : ['repeats', parent],
    ['begun', `${timeWords(run)} UTC, ${formatDuration(run.ms)}`],
    ['command', `${command} ${model ?? '(bytes)'}`],
    ['output', output ?? 'kept aside'],
    folder === null ? undefined : ['in', folder],
    ['outcome', error === undefined ? 'ok' : `${outcomeWords(run)} (exit ${run.exit})`],
    error === undefined ? undefined : ['', error.message],
    run.verdict === undefined ? ['how', howWords(run)] : ['verdict', run.verdict],
    ...filesFacts('read', run.inputs),
    ...filesFacts('calibration', run.calibration),
    ...filesFacts('written', run.outputs),
    totals === undefined
      ? undefined
      : [
          'size',
          `${formatBytes(totals.sourceBytes)} → ${measureWords(run, 'outputBytes')}, ${totals.bitsPerWeight.toFixed(2)} bits per weight`,
        ],
    totals === undefined
      ? undefined
      : ['tensors', `${totals.changed} changed, ${totals.unchanged} unchanged`],
    quality === undefined
      ? undefined
      : ['quality', measureWords(run, 'sqnrDb') || 'nothing was lost'],
    quality?.outputSqnrDb == null
      ? undefined
      : ['', `${measureWords(run, 'outputSqnrDb')} of what layers compute`],
    worst === undefined
      ? undefined
      : ['worst', `${worst.tensor}: ${measureWords(run, 'worstSqnrDb')}`],
    run.seed === undefined ? undefined : ['seed', String(run.seed)],
    ['version', `${run.version}, ${run.host}`],
    engine === null
      ? undefined
      : ['engine', `${engine.kind}, ${formatPlural(engine.threads, 'thread')}`],
    run.peakBytes === undefined ? undefined : ['memory', formatBytes(run.peakBytes)],
    ['options', JSON.stringify(run.options)],
  ];
}

function filesFacts(label: string, files: readonly RunFile[]): Fact[] {
  return files.map(({ name, sha256, bytes }, index) => {
    const size = bytes === null ? '' : `, ${formatBytes(bytes)}`;
    const digest = sha256 === null ? 'not read as a whole' : `sha256 ${sha256}`;
    return [index === 0 ? label : '', `${name ?? '(bytes)'}${size}, ${digest}`];
  });
}
