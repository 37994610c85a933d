/**
 * What a run did, as one calm block of text.
 * It exists for people: programs take the same facts from the JSON report.
 * Numbers are those of the report; nothing is worked out that it does not say.
 */
import type { Quality, Report, TensorReport, UnchangedTensor } from '../../js/api/types.js';
import { countBy } from '../../js/words/counts.js';
import {
  formatBytes,
  formatDecibels,
  formatDuration,
  formatError,
  formatPlural,
  formatRate,
  formatShare,
} from '../../js/words/format.js';
import { printable, printableName } from '../../js/words/printable.js';
import { configurationWords } from '../../js/words/wording.js';
import { type Fact, reasonsText, renderFacts, sizesText } from './facts.js';
import type { Screen, Style } from './screen.js';
import { type Column, renderTable } from './table.js';

const WORST_SHOWN = 5;

export function renderReport(
  report: Report,
  /** Undefined: a gate has closed, and nothing was written. */
  output: string | undefined,
  screen: Screen,
  verbose: boolean,
): string {
  const lossy = report.tensors.filter(({ sqnrDb }) => sqnrDb !== null);
  const shown = verbose ? report.tensors : lossy.slice(0, WORST_SHOWN);
  const blocks = [renderFacts(reportFacts(report, output, verbose), screen)];
  if (shown.length > 0) blocks.push(tensorTable(shown, screen, verbose));
  const unchanged = [...report.copied, ...report.tied, ...report.dropped];
  if (verbose && unchanged.length > 0) blocks.push(unchangedTable(unchanged, screen));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function reportFacts(report: Report, output: string | undefined, verbose: boolean): Fact[] {
  const { configuration, sizes, tensors, copied, tied, dropped, engine, timings } = report;
  const quantized = tensors.filter(({ decision }) => decision === 'quantize');
  const converted = tensors.filter(({ decision }) => decision === 'convert');
  const share = formatShare(sizes.quantizedParameters, sizes.parameters);
  const total = timings.planMs + timings.encodeMs + timings.verifyMs;
  const rate =
    timings.encodeMs > 0 ? `, ${formatRate((sizes.tensorBytes / timings.encodeMs) * 1000)}` : '';
  return [
    ['output', output === undefined ? 'nothing was written' : printable(output)],
    ['size', sizesText(sizes)],
    quantized.length > 0
      ? ['quantized', `${formatPlural(quantized.length, 'tensor')}, ${share} of all parameters`]
      : undefined,
    quantized.length > 0 ? ['', configurationWords(report)] : undefined,
    inputsFact(quantized),
    converted.length > 0
      ? ['converted', `${formatPlural(converted.length, 'tensor')} to ${configuration.floatType}`]
      : undefined,
    copied.length > 0 ? ['copied', reasonsText(copied)] : undefined,
    tied.length > 0 ? ['tied', formatPlural(tied.length, 'more name')] : undefined,
    dropped.length > 0 ? ['dropped', reasonsText(dropped)] : undefined,
    [
      'quality',
      report.sqnrDb === null ? 'nothing was lost' : `SQNR ${formatDecibels(report.sqnrDb)}`,
    ],
    ['time', `${formatDuration(total)}${rate}`],
    verbose ? ['', timingsText(report)] : undefined,
    verbose ? ['engine', `${engine.kind}, ${formatPlural(engine.threads, 'thread')}`] : undefined,
  ];
}

/** `5 layers with stored scales: 3 percentile, 2 minmax, from 64 samples`. */
function inputsFact(tensors: readonly TensorReport[]): Fact {
  const inputs = tensors.flatMap(({ input }) => input ?? []);
  if (inputs.length === 0) return undefined;
  const observers = countBy(inputs, ({ observer }) => observer);
  const list = observers.map(([observer, count]) => `${count} ${observer}`).join(', ');
  const least = inputs.reduce(
    (few, { samples }) => Math.min(few, samples),
    Number.POSITIVE_INFINITY,
  );
  const scales = `${formatPlural(inputs.length, 'weight')} with a stored scale of inputs`;
  return ['activations', `${scales}: ${list}; from ${formatPlural(least, 'sample')}`];
}

function timingsText({ timings }: Report): string {
  const { planMs, encodeMs, verifyMs } = timings;
  return `plan ${formatDuration(planMs)}, encode ${formatDuration(encodeMs)}, verify ${formatDuration(verifyMs)}`;
}

function tensorTable(tensors: readonly TensorReport[], screen: Screen, verbose: boolean): string[] {
  const columns: Column[] = [
    { title: verbose ? 'tensor, the worst first' : 'worst tensors', shrink: 'middle' },
    { title: 'SQNR', align: 'right' },
    { title: 'max error', align: 'right' },
  ];
  if (verbose) columns.push({ title: 'bytes', align: 'right' });
  const rows = tensors.map((tensor) => {
    const style = QUALITY_STYLES[tensor.quality];
    const cells = [
      { text: printableName(tensor.name), style },
      { text: formatDecibels(tensor.sqnrDb), style },
      formatError(tensor.maxError),
    ];
    return verbose
      ? [...cells, `${formatBytes(tensor.sourceBytes)} → ${formatBytes(tensor.outputBytes)}`]
      : cells;
  });
  return renderTable(columns, rows, { screen });
}

const QUALITY_STYLES: Readonly<Record<Quality, Style>> = {
  good: 'plain',
  low: 'yellow',
  'very-low': 'red',
};

function unchangedTable(tensors: readonly UnchangedTensor[], screen: Screen): string[] {
  const rows = tensors.map(({ name, decision, explanation }) => [
    printableName(name),
    decision,
    printable(explanation),
  ]);
  const columns = [
    { title: 'unchanged', shrink: 'middle' },
    { title: '' },
    { title: 'why' },
  ] as const;
  return renderTable(columns, rows, { screen });
}
