/**
 * Outliers as people see them: where tensors lose, and what would be left with one remedy or another.
 */
import type { Concentration, Sensitivity, TensorOutliers } from '../../api/sensitivity.js';
import type { ColumnView, TableView } from '../report/tables.js';
import { formatLoss } from './tables.js';

/** How many times its share of the members a channel's share of the error is, where it is more than that most. */
function excessOf({ inputs, outputs }: TensorOutliers): number {
  const excess = ({ members, largest, share }: Concentration) =>
    members === 0 ? 0 : share - largest / members;
  return Math.max(excess(inputs), excess(outputs));
}

/** The tensors of whose error a few channels make most, or all in the order of the network; null if nothing is known. */
export function outlierTable(
  { outliers, settings }: Pick<Sensitivity, 'outliers' | 'settings'>,
  most?: number,
): TableView | null {
  if (outliers === undefined || outliers.tensors.length === 0) return null;
  const { tensors, setting } = outliers;
  const shown =
    most === undefined
      ? tensors
      : [...tensors].sort((a, b) => excessOf(b) - excessOf(a)).slice(0, most);
  const knowsInputs = tensors.some(({ squares }) => squares !== undefined);
  const labels = tensors[0]?.remedies.map(({ label }) => label) ?? [];
  const columns: readonly ColumnView[] = [
    { title: 'tensor', shrink: 'middle' },
    ...[
      ...['error', 'inputs', 'outputs', 'weights'],
      ...(knowsInputs ? ['x²', '|x| up to'] : []),
      ...labels,
    ].map((title): ColumnView => ({ title, align: 'right' })),
  ];
  return {
    title: `outliers at ${settings[setting]?.label ?? ''}`,
    columns,
    rows: shown.map((tensor) => ({ cells: cellsOf(tensor, knowsInputs) })),
  };
}

function cellsOf(tensor: TensorOutliers, knowsInputs: boolean): readonly string[] {
  const { name, error, inputs, outputs, weights, squares, largestInput, remedies } = tensor;
  return [
    name,
    formatLoss(error),
    shareWords(inputs),
    shareWords(outputs),
    percent(weights.share),
    ...(knowsInputs
      ? [
          squares === undefined ? '' : percent(squares.share),
          largestInput === undefined ? '' : String(Number(largestInput.toPrecision(3))),
        ]
      : []),
    ...remedies.map((remedy) => formatLoss(remedy.error)),
  ];
}

/** "34 % (#17)": and the channel that has most of it. */
function shareWords({ share, named: [first] }: Concentration): string {
  return first === undefined ? percent(share) : `${percent(share)} (#${first[0]})`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}

/** What the table is to be read with. */
export function outlierWords({ outliers }: Pick<Sensitivity, 'outliers'>): string | undefined {
  if (outliers === undefined) return undefined;
  const ofInputs = outliers.tensors.some(({ squares }) => squares !== undefined)
    ? ', and what 1 % of the inputs have of their squares (x²)'
    : '';
  return `what 1 % of the input and output channels and 0.1 % of the weights have of the error${ofInputs}; what is left of it with these in 16 bits, which no layout stores, and with what all have: smaller groups, or 8 bits (--layer)`;
}
