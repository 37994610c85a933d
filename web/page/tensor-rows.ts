/**
 * The rows of the tensor table: found, sorted, each with what is planned for it.
 * It exists apart from the table because it is plain computing.
 * Sorting is stable: what is equal stays in the order of the file.
 */
import type { PlannedTensor, TensorInfo } from 'monoquant';
import { decisionWords } from '../../js/words/wording.js';

export interface TensorRow {
  readonly tensor: TensorInfo;
  readonly planned: PlannedTensor | undefined;
}

export const COLUMNS = ['name', 'kind', 'shape', 'dtype', 'bytes', 'becomes'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Order {
  readonly column: Column | undefined;
  readonly isDescending: boolean;
}

/** `search`: words that all must occur in the name, the kind, the dtype or the decision. */
export function rowsOf(
  tensors: readonly TensorInfo[],
  planned: readonly PlannedTensor[],
  search: string,
  order: Order,
): readonly TensorRow[] {
  const plans = new Map(planned.map((tensor) => [tensor.name, tensor]));
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: TensorRow[] = [];
  for (const tensor of tensors) {
    const row = { tensor, planned: plans.get(tensor.name) };
    const text = [
      tensor.name,
      tensor.kind,
      tensor.dtype,
      row.planned?.decision,
      row.planned?.reason,
    ]
      .join(' ')
      .toLowerCase();
    if (words.every((word) => text.includes(word))) rows.push(row);
  }
  const { column, isDescending } = order;
  if (column === undefined) return rows;
  const sign = isDescending ? -1 : 1;
  return rows.sort((a, b) => sign * compare(keyOf(a, column), keyOf(b, column)));
}

type Key = string | number;

function keyOf({ tensor, planned }: TensorRow, column: Column): Key {
  switch (column) {
    case 'name':
      return tensor.name;
    case 'kind':
      return tensor.kind;
    case 'shape':
      return tensor.shape.reduce((product, size) => product * size, 1);
    case 'dtype':
      return tensor.dtype;
    case 'bytes':
      return tensor.bytes;
    case 'becomes':
      return planned === undefined ? '' : decisionWords(planned);
  }
}

/** Numbers in names count as numbers: layer 10 comes after layer 9. */
const BY_NAME = new Intl.Collator('en', { numeric: true });

function compare(a: Key, b: Key): number {
  return typeof a === 'number' && typeof b === 'number'
    ? a - b
    : BY_NAME.compare(String(a), String(b));
}

export function outputBytes(planned: PlannedTensor | undefined): number {
  return planned?.outputs.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
}
