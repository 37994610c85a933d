/**
 * A run as events for TensorBoard: totals and quality as scalars, what each tensor lost as a series, options as
 * hyper-parameters.
 */
import { MEASURES, measured } from '../../api/run-measures.js';
import type { RunRecord } from '../../api/run-record.js';
import type { Report } from '../../api/types.js';
import { EventFile, type Parameter } from './event-file.js';

/** Of tensors whose names are in a table; all are in the series. */
const TENSORS_NAMED = 2000;

/** `report` is there if the run has just been made: a line of a log knows no tensors. */
export function runEvents(run: RunRecord, report?: Pick<Report, 'tensors'>): Uint8Array {
  const begun = Date.parse(run.started) / 1000;
  const file = new EventFile(begun);
  file.parameters(parametersOf(run), run.parent ?? run.id);
  for (const measure of MEASURES) {
    const value = measured(run, measure);
    if (value !== null) file.scalar(`totals/${measure}`, 0, value);
  }
  file.text('totals/line', `\`\`\`json\n${JSON.stringify(run, null, 2)}\n\`\`\``);
  if (report !== undefined) addTensors(file, report);
  file.outcome(run.exit === 0, begun + run.ms / 1000);
  return file.encoded();
}

/** The steps of the series count tensors in the order of their names, so that layers follow one another. */
function addTensors(file: EventFile, { tensors }: Pick<Report, 'tensors'>): void {
  const order = new Intl.Collator('en', { numeric: true });
  const named = [...tensors].sort((a, b) => order.compare(a.name, b.name));
  for (const [step, { sqnrDb, outputSqnrDb, maxError }] of named.entries()) {
    if (sqnrDb !== null) file.scalar('tensors/sqnrDb', step, sqnrDb);
    if (outputSqnrDb != null) file.scalar('tensors/outputSqnrDb', step, outputSqnrDb);
    file.scalar('tensors/maxError', step, maxError);
  }
  const rows = named.slice(0, TENSORS_NAMED).map(({ name, sqnrDb }, step) => {
    return `| ${step} | ${cell(name)} | ${sqnrDb === null ? '' : sqnrDb.toFixed(2)} |`;
  });
  file.text(
    'tensors/names',
    ['| step | tensor | SQNR in dB |', '|---|---|---|', ...rows].join('\n'),
  );
}

/** Names come from files: nothing in them is Markdown, or HTML. */
function cell(name: string): string {
  return name.replace(/[^\w.-]/gu, (sign) => `&#${sign.codePointAt(0)};`);
}

function parametersOf({ options, command, model, version, seed }: RunRecord) {
  const given = { command, model, version, seed, ...options };
  const all = Object.entries(given).flatMap(([key, value]): [string, Parameter][] => {
    if (value === null || value === undefined) return [];
    const isPlain = ['string', 'number', 'boolean'].includes(typeof value);
    return [[key, isPlain ? (value as Parameter) : JSON.stringify(value)]];
  });
  return Object.fromEntries(all);
}
