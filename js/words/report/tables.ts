/**
 * The tensors of a report, or of a plan, as rows of text.
 * The first column holds the names.
 */
import type { Plan, Quality, Report, TensorReport } from '../../api/types.js';
import { formatBytes, formatDecibels, formatError, formatShape } from '../format.js';
import { decisionWords, storedWords } from '../wording.js';

export interface ColumnView {
  readonly title: string;
  /** Numbers stand on the right. */
  readonly align?: 'right';
  /** Where to cut what is too long for a screen. */
  readonly shrink?: 'middle' | 'end';
}

export interface RowView {
  readonly cells: readonly string[];
  /** How well the tensor came out; undefined where that is not the question. */
  readonly quality?: Quality;
  /** The tensor is as it was. */
  readonly isUnchanged?: boolean;
  /** How dark each cell is, from 0 to 1, where the numbers of a table are to be seen at once. */
  readonly shades?: readonly (number | undefined)[];
}

export interface TableView {
  readonly title: string;
  readonly columns: readonly ColumnView[];
  readonly rows: readonly RowView[];
}

const TENSOR: ColumnView = { title: 'tensor', shrink: 'middle' };
const SHAPE: ColumnView = { title: 'shape', shrink: 'end' };
const DTYPE: ColumnView = { title: 'dtype' };
const BYTES: ColumnView = { title: 'bytes', align: 'right' };
const WHY: ColumnView = { title: 'why' };

/** Whether there is anything to say of what layers compute. */
export function knowsOutputs({ tensors }: Pick<Report, 'tensors'>): boolean {
  return tensors.some(({ outputSqnrDb }) => outputSqnrDb !== undefined);
}

function outputDecibels({ outputSqnrDb }: TensorReport): string {
  return outputSqnrDb === undefined ? '' : formatDecibels(outputSqnrDb);
}

/** What was changed, the worst first; then what was not. Those without rows are left out. */
export function reportTables(report: Report): readonly TableView[] {
  const unchanged = [
    ...(report.corrected ?? []),
    ...report.copied,
    ...report.tied,
    ...report.dropped,
  ];
  const tables: readonly TableView[] = [
    {
      title: 'tensors, the worst first',
      columns: [
        TENSOR,
        { title: 'stored as' },
        { title: 'SQNR', align: 'right' },
        ...(knowsOutputs(report) ? [{ title: 'of its output', align: 'right' } as const] : []),
        { title: 'max error', align: 'right' },
        SHAPE,
        BYTES,
      ],
      rows: report.tensors.map((tensor) => ({
        cells: [
          tensor.name,
          storedWords(tensor),
          formatDecibels(tensor.sqnrDb),
          ...(knowsOutputs(report) ? [outputDecibels(tensor)] : []),
          formatError(tensor.maxError),
          formatShape(tensor.shape),
          `${formatBytes(tensor.sourceBytes)} → ${formatBytes(tensor.outputBytes)}`,
        ],
        quality: tensor.quality,
      })),
    },
    {
      title: 'unchanged tensors',
      columns: [TENSOR, { title: '' }, DTYPE, SHAPE, WHY],
      rows: unchanged.map(({ name, decision, dtype, shape, explanation }) => ({
        cells: [name, decision, dtype, formatShape(shape), explanation],
        isUnchanged: true,
      })),
    },
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

export function planTables({ tensors }: Plan): readonly TableView[] {
  const rows = tensors.map((tensor): RowView => {
    const { name, shape, dtype, outputs, decision, explanation } = tensor;
    const bytes = outputs.reduce((sum, output) => sum + output.bytes, 0);
    return {
      cells: [
        name,
        formatShape(shape),
        dtype,
        decisionWords(tensor),
        formatBytes(bytes),
        explanation,
      ],
      isUnchanged: decision === 'copy',
    };
  });
  const becomes: ColumnView = { title: 'becomes', shrink: 'end' };
  return [{ title: 'tensors', columns: [TENSOR, SHAPE, DTYPE, becomes, BYTES, WHY], rows }];
}

/** With the first columns only. */
export function narrowed({ title, columns, rows }: TableView, count: number): TableView {
  return {
    title,
    columns: columns.slice(0, count),
    rows: rows.map((row) => ({ ...row, cells: row.cells.slice(0, count) })),
  };
}
