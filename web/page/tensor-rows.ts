/**
 * The rows of the tensor table: found, sorted, each with what is planned for it.
 * It exists apart from the table because it is plain computing.
 * Sorting is stable: what is equal stays in the order of the file.
 */
import type { PlannedTensor, TensorInfo, TensorReport } from 'monoquant';
import { decisionWords } from '../../js/words/wording.js';
import { decibelsOf } from './runs.js';

export const COLUMNS = [
  'name',
  'kind',
  'shape',
  'dtype',
  'bytes',
  'becomes',
  'after',
  'quality',
] as const;
export type Column = (typeof COLUMNS)[number];

export interface Order {
  readonly column: Column | undefined;
  readonly isDescending: boolean;
}

/** What is known of tensors, in the order of the file. */
export interface TensorFacts {
  readonly tensors: readonly TensorInfo[];
  /** By name. */
  readonly planned: ReadonlyMap<string, PlannedTensor>;
  /** By name, after a run. */
  readonly reports: ReadonlyMap<string, TensorReport>;
}

/**
 * Indices of tensors, found and sorted. `search`: words that all must occur in the name, the kind, the dtype or the
 * decision.
 */
export function found(facts: TensorFacts, search: string, order: Order): readonly number[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: number[] = [];
  for (const [index, tensor] of facts.tensors.entries()) {
    if (words.length === 0) rows.push(index);
    else {
      const planned = facts.planned.get(tensor.name);
      const { name, kind, dtype } = tensor;
      const text = `${name} ${kind} ${dtype} ${planned?.decision} ${planned?.reason}`.toLowerCase();
      if (words.every((word) => text.includes(word))) rows.push(index);
    }
  }
  const { column, isDescending } = order;
  if (column === undefined) return rows;
  const sign = isDescending ? -1 : 1;
  const keys = new Map(rows.map((index) => [index, keyOf(facts, index, column)]));
  return rows.sort((a, b) => sign * compare(keys.get(a) ?? '', keys.get(b) ?? ''));
}

type Key = string | number;

function keyOf({ tensors, planned, reports }: TensorFacts, index: number, column: Column): Key {
  const tensor = tensors[index];
  if (tensor === undefined) return '';
  const own = planned.get(tensor.name);
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
      return own === undefined ? '' : decisionWords(own);
    case 'after':
      return outputBytes(own);
    case 'quality': {
      const report = reports.get(tensor.name);
      // What lost nothing is the best.
      return report === undefined ? 1e9 : (decibelsOf(report) ?? 1e8);
    }
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
