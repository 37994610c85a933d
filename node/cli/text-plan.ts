/**
 * A plan as text: every tensor with what will become of it, then the totals.
 * It exists for `--dry-run`: what is shown here is what a run will obey.
 * Every tensor is listed; only long names are shortened, and not where the output is no terminal.
 */
import type { Plan } from '../../js/api/types.js';
import { formatBytes, formatPlural, formatShape, formatShare } from '../../js/words/format.js';
import { printable, printableName } from '../../js/words/printable.js';
import { configurationWords, decisionWords } from '../../js/words/wording.js';
import { type Fact, reasonsText, renderFacts, sizesText } from './facts.js';
import type { Screen } from './screen.js';
import { type Column, renderTable } from './table.js';

export function renderPlan(plan: Plan, output: string, screen: Screen, verbose: boolean): string {
  const lines = [
    ...tensorTable(plan, screen, verbose),
    '',
    ...renderFacts(planFacts(plan, output), screen),
  ];
  return `${lines.join('\n')}\n`;
}

const COLUMNS: readonly Column[] = [
  { title: 'tensor', shrink: 'middle' },
  { title: 'shape', shrink: 'end' },
  { title: 'dtype' },
  { title: 'becomes', shrink: 'end' },
  { title: 'bytes', align: 'right' },
];
const EXPLANATION: Column = { title: 'why' };

function tensorTable({ tensors }: Plan, screen: Screen, verbose: boolean): string[] {
  const rows = tensors.map((tensor) => {
    const style = tensor.decision === 'copy' ? 'dim' : 'plain';
    const bytes = tensor.outputs.reduce((sum, output) => sum + output.bytes, 0);
    const cells = [
      printableName(tensor.name),
      formatShape(tensor.shape),
      tensor.dtype,
      decisionWords(tensor),
      formatBytes(bytes),
      ...(verbose ? [printable(tensor.explanation)] : []),
    ];
    return cells.map((text) => ({ text, style }) as const);
  });
  // Explanations are sentences: with them, nothing is cut and the terminal breaks the lines.
  const columns = verbose ? [...COLUMNS, EXPLANATION] : COLUMNS;
  return renderTable(columns, rows, { screen, ...(verbose && { width: Infinity }) });
}

function planFacts(plan: Plan, output: string): Fact[] {
  const { sizes, tensors } = plan;
  const [quantized, converted, copied] = (['quantize', 'convert', 'copy'] as const).map(
    (decision) => {
      return tensors.filter((tensor) => tensor.decision === decision);
    },
  );
  const share = formatShare(sizes.quantizedParameters, sizes.parameters);
  return [
    ['dry run', 'nothing is written'],
    ['output', printable(output)],
    ['size', sizesText(sizes)],
    quantized?.length
      ? ['quantized', `${formatPlural(quantized.length, 'tensor')}, ${share} of all parameters`]
      : undefined,
    quantized?.length ? ['', configurationWords(plan)] : undefined,
    converted?.length ? ['converted', formatPlural(converted.length, 'tensor')] : undefined,
    copied?.length ? ['copied', reasonsText(copied)] : undefined,
  ];
}
