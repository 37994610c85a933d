/**
 * The keys of the map: from tensor to tensor, to the inspector, and bits for a row.
 */
import { placeOf } from '../map/draw.js';
import type { MapLayout } from '../map/layout.js';
import type { Workbench } from '../workbench.js';
import { BITS_KEYS, BITS_WORDS } from './bits-words.js';

interface Pressed {
  readonly at?: number | undefined;
  readonly said?: string;
}

/** Undefined for keys that mean nothing here. */
export function pressed(
  { key, shiftKey }: KeyboardEvent,
  layout: MapLayout,
  at: number | undefined,
  workbench: Workbench,
): Pressed | undefined {
  const names = workbench.names.peek();
  const rowIndex = Math.max(
    0,
    layout.rows.findIndex((row) => at !== undefined && row.tensors.includes(at)),
  );
  const row = layout.rows[rowIndex];
  if (row === undefined) return undefined;
  const first = row.tensors[0];
  if (at === undefined && key.startsWith('Arrow')) return { at: first };
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  const line = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (at !== undefined && (step !== undefined || line !== undefined)) {
    const next =
      step === undefined ? inRow(layout, rowIndex + (line ?? 0), at) : beside(row, at, step);
    if (shiftKey && next !== undefined) {
      const [from, to] = [names[at] ?? '', names[next] ?? ''];
      workbench.selection.value = new Set([...workbench.selection.peek(), from, to]);
    }
    return { at: next ?? at };
  }
  if (key === 'Enter' && at !== undefined) {
    workbench.chosenTensor.value = names[at];
    return { at };
  }
  const bits = BITS_KEYS[key];
  if ((bits === undefined && key !== 'Backspace') || workbench.activity.peek() !== 'quantize') {
    return undefined;
  }
  if (at === undefined && workbench.selection.peek().size === 0) return undefined;
  const selected = [...workbench.selection.peek()];
  const chosen = selected.length > 0 ? selected : row.tensors.map((each) => names[each] ?? '');
  workbench.chooseFor(chosen, bits);
  const where =
    selected.length > 0 ? `${chosen.length} selected` : `All ${chosen.length} ${row.label}`;
  return { at, said: `${where}: ${bits === undefined ? 'as all others' : BITS_WORDS[bits]}.` };
}

function beside({ tensors }: MapLayout['rows'][number], at: number, step: number) {
  return tensors[tensors.indexOf(at) + step];
}

/** The tensor of another row that is nearest. */
function inRow(layout: MapLayout, rowIndex: number, at: number): number | undefined {
  const middle = (tensor: number) => {
    const [x = 0, , w = 0] = placeOf(layout.places, tensor);
    return x + w / 2;
  };
  const here = middle(at);
  let nearest: number | undefined;
  for (const tensor of layout.rows[rowIndex]?.tensors ?? []) {
    if (
      nearest === undefined ||
      Math.abs(middle(tensor) - here) < Math.abs(middle(nearest) - here)
    ) {
      nearest = tensor;
    }
  }
  return nearest;
}
