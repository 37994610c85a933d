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
  formatPlural,
  formatRatio,
  formatShape,
} from '../../js/words/format.js';
import { printable, printableName } from '../../js/words/printable.js';
import { isPartOfFile, takenBytes } from '../../js/words/sizes.js';
import { codesWords } from '../../js/words/wording.js';
import { renderFacts } from './facts.js';
import type { Screen } from './screen.js';
import { renderTable } from './table.js';

const TENSORS_SHOWN = 20;

const VERDICT_WORDS: Readonly<Record<ComparisonVerdict, string>> = {
  identical: 'identical',
  different: 'different',
  corrected: 'corrected biases',
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
  const { tensors } = comparison;
  const counts = countBy(tensors, ({ verdict }) => VERDICT_WORDS[verdict]);
  const facts = [
    ['first', fileText(first, comparison.first)],
    ['second', fileText(second, comparison.second)],
    ['size', formatRatio(takenBytes(comparison.first), takenBytes(comparison.second))],
    ['tensors', counts.map(([words, count]) => `${formatCount(count)} ${words}`).join(', ')],
    ['quality', qualityText(comparison)],
  ] as const;
  const blocks = [renderFacts(facts, screen)];
  const rows = verbose ? tensors : tensors.filter(({ verdict }) => verdict !== 'identical');
  if (rows.length > 0) blocks.push(tensorTable(rows, screen, verbose));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** What is true of all tensors, and of how many nobody can say it. */
function qualityText({ tensors, compared, sqnrDb, first, second }: Comparison): string {
  const others = tensors.length - compared + first.lost.length + second.lost.length;
  const notFinite = tensors.filter((tensor) => tensor.notFinite > 0).length;
  const worst = tensors.find(({ verdict }) => verdict === 'different');
  const rest = others === 0 ? '' : `; ${formatPlural(others, 'tensor')} not compared`;
  if (compared === 0) return `nothing was compared${rest}`;
  if (worst === undefined) return `no value differs${rest}`;
  if (notFinite > 0) {
    return `NaN or infinite in one file only: elements of ${formatPlural(notFinite, 'tensor')}${rest}`;
  }
  if (sqnrDb === null) return `only tensors that are no floats differ${rest}`;
  return `SQNR ${formatDecibels(sqnrDb)}, of the worst tensor ${formatDecibels(worst.sqnrDb)}${rest}`;
}

function fileText(path: string, { bytes, tensorBytes }: ComparedFile): string {
  const part = isPartOfFile({ bytes, tensorBytes })
    ? `, ${formatBytes(tensorBytes)} of it compared`
    : '';
  return `${printable(path)}, ${formatExactBytes(bytes)}${part}`;
}

function tensorTable(
  tensors: readonly TensorComparison[],
  screen: Screen,
  verbose: boolean,
): string[] {
  const shown = verbose ? tensors : tensors.slice(0, TENSORS_SHOWN);
  const rows = shown.map((tensor) => {
    const { name, verdict, first, second, maxError } = tensor;
    const differs = verdict === 'different';
    return [
      printableName(name),
      typesText(first, second),
      `${sizeText(first)} → ${sizeText(second)}`,
      differs ? lossText(tensor) : VERDICT_WORDS[verdict],
      (differs || verdict === 'corrected') && maxError !== null ? formatError(maxError) : '',
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

function lossText({ sqnrDb, notFinite, differing }: TensorComparison): string {
  if (notFinite > 0) return `${formatCount(notFinite)} NaN or infinite`;
  return sqnrDb === null ? `${formatCount(differing)} differ` : formatDecibels(sqnrDb);
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
