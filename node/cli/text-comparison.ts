/**
 * What two files have in common, as text.
 * It exists for `compare`; programs take the comparison itself with `--json`.
 * What differs most comes first; what is identical is only counted unless everything is asked for.
 */
import type {
  ComparedFile,
  ComparedTensor,
  Comparison,
  ComparisonVerdict,
  TensorComparison,
} from '../../js/api/types.js';
import { countBy } from '../../js/words/counts.js';
import {
  formatBytes,
  formatCount,
  formatDecibels,
  formatError,
  formatExactBytes,
  formatRatio,
  formatShape,
} from '../../js/words/format.js';
import { printable, printableName } from '../../js/words/printable.js';
import { codesWords } from '../../js/words/wording.js';
import { renderFacts } from './facts.js';
import type { Screen } from './screen.js';
import { renderTable } from './table.js';

const TENSORS_SHOWN = 20;

const VERDICT_WORDS: Readonly<Record<ComparisonVerdict, string>> = {
  identical: 'identical',
  different: 'different',
  'only-first': 'only in the first',
  'only-second': 'only in the second',
  'other-shape': 'of another shape',
  'other-dtype': 'of another type',
};

export function renderComparison(
  comparison: Comparison,
  [first, second]: readonly [string, string],
  screen: Screen,
  verbose: boolean,
): string {
  const { tensors, sqnrDb } = comparison;
  const counts = countBy(tensors, ({ verdict }) => VERDICT_WORDS[verdict]);
  const facts = [
    ['first', fileText(first, comparison.first)],
    ['second', fileText(second, comparison.second)],
    ['size', formatRatio(comparison.first.bytes, comparison.second.bytes)],
    ['tensors', counts.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')],
    ['quality', sqnrDb === null ? 'no value differs' : `SQNR ${formatDecibels(sqnrDb)}`],
  ] as const;
  const blocks = [renderFacts(facts, screen)];
  const rows = verbose ? tensors : tensors.filter(({ verdict }) => verdict !== 'identical');
  if (rows.length > 0) blocks.push(tensorTable(rows, screen, verbose));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function fileText(path: string, { bytes }: ComparedFile): string {
  return `${printable(path)}, ${formatExactBytes(bytes)}`;
}

function tensorTable(
  tensors: readonly TensorComparison[],
  screen: Screen,
  verbose: boolean,
): string[] {
  const shown = verbose ? tensors : tensors.slice(0, TENSORS_SHOWN);
  const rows = shown.map((tensor) => {
    const { name, verdict, first, second, sqnrDb, maxError } = tensor;
    const differs = verdict === 'different';
    return [
      printableName(name),
      typesText(first, second),
      `${sizeText(first)} → ${sizeText(second)}`,
      differs ? formatDecibels(sqnrDb) : VERDICT_WORDS[verdict],
      differs && maxError !== null ? formatError(maxError) : '',
    ];
  });
  const lines = renderTable(
    [
      { title: 'tensor', shrink: 'middle' },
      { title: 'type' },
      { title: 'bytes', align: 'right' },
      { title: 'SQNR', align: 'right' },
      { title: 'max error', align: 'right' },
    ],
    rows,
    { screen },
  );
  const hidden = tensors.length - shown.length;
  if (hidden > 0) lines.push(screen.paint('dim', `… ${formatCount(hidden)} more (--verbose)`));
  return lines;
}

function typesText(first: ComparedTensor | undefined, second: ComparedTensor | undefined): string {
  const [a, b] = [typeText(first), typeText(second)];
  const shapes = [first, second].map((tensor) => formatShape(tensor?.shape ?? []));
  const haveOtherShapes = first !== undefined && second !== undefined && shapes[0] !== shapes[1];
  const types = a === b ? a : `${a} → ${b}`;
  return haveOtherShapes ? `${types} ${shapes.join(' → ')}` : types;
}

function typeText(tensor: ComparedTensor | undefined): string {
  if (tensor === undefined) return '–';
  return tensor.quantization === undefined ? tensor.dtype : codesWords(tensor.quantization);
}

function sizeText(tensor: ComparedTensor | undefined): string {
  return tensor === undefined ? '–' : formatBytes(tensor.bytes);
}
