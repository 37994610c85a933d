/**
 * The pointer above the map: what lies under it, a click for one tensor or a row, a drag for several.
 */
import { useRef } from 'preact/hooks';
import { placeOf } from '../map/draw.js';
import { type MapLayout, tensorAt } from '../map/layout.js';
import type { Workbench } from '../workbench.js';

/** Two corners of what is dragged over. */
export type Band = readonly [x: number, y: number, x2: number, y2: number] | undefined;

interface Pointing {
  readonly layout: MapLayout | undefined;
  readonly canvas: { readonly current: HTMLCanvasElement | null };
  readonly setAt: (tensor: number | undefined) => void;
  readonly setBand: (band: Band) => void;
}

/** How far a pointer moves before it drags. */
const LEAST_DRAG = 5;

export function usePointer(workbench: Workbench, { layout, canvas, setAt, setBand }: Pointing) {
  const drag = useRef<{ x: number; y: number; band: Band } | undefined>(undefined);
  const placeAt = (event: MouseEvent): Point => {
    const box = canvas.current?.getBoundingClientRect();
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) };
  };
  return {
    onPointerMove: (event: PointerEvent) => {
      if (layout === undefined) return;
      const { x, y } = placeAt(event);
      setAt(tensorAt(layout, x, y));
      const from = drag.current;
      if (from === undefined || Math.hypot(x - from.x, y - from.y) < LEAST_DRAG) return;
      from.band = [from.x, from.y, x, y];
      setBand(from.band);
    },
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || event.pointerType === 'touch') return;
      drag.current = { ...placeAt(event), band: undefined };
      canvas.current?.setPointerCapture(event.pointerId);
    },
    onPointerLeave: () => setAt(undefined),
    onClick: (event: MouseEvent) => {
      const band = drag.current?.band;
      drag.current = undefined;
      setBand(undefined);
      if (layout === undefined) return;
      if (band === undefined) click(event, placeAt(event), layout, workbench);
      else workbench.selection.value = namesAt(workbench, within(layout, band));
    },
  };
}

function click(event: MouseEvent, { x, y }: Point, layout: MapLayout, workbench: Workbench): void {
  const tensor = tensorAt(layout, x, y);
  const row = layout.rows.find((each) => y >= each.y && y < each.y + each.height);
  const isMore = event.ctrlKey || event.metaKey || event.shiftKey;
  const name = tensor === undefined ? undefined : workbench.names.peek()[tensor];
  if (name !== undefined && isMore) {
    const next = new Set(workbench.selection.peek());
    if (!next.delete(name)) next.add(name);
    workbench.selection.value = next;
  } else if (name !== undefined) {
    const isShown = workbench.chosenTensor.peek() === name;
    workbench.chosenTensor.value = isShown ? undefined : name;
  } else if (row !== undefined && x < (layout.columns[0]?.x ?? 0)) {
    workbench.selection.value = namesAt(workbench, row.tensors);
  } else workbench.selection.value = new Set();
}

function namesAt(workbench: Workbench, tensors: readonly number[]): ReadonlySet<string> {
  const names = workbench.names.peek();
  return new Set(tensors.map((tensor) => names[tensor] ?? ''));
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Tensors in a band; those of one layer and role together, since single experts are no choice. */
function within({ places, cells }: MapLayout, band: NonNullable<Band>): number[] {
  const [x1, y1, x2, y2] = band;
  const [left, right] = [Math.min(x1, x2), Math.max(x1, x2)];
  const [top, bottom] = [Math.min(y1, y2), Math.max(y1, y2)];
  const found: number[] = [];
  for (const cell of cells) {
    const isIn = cell.some((tensor) => {
      const [x = 0, y = 0, w = 0, h = 0] = placeOf(places, tensor);
      return w > 0 && x <= right && x + w >= left && y <= bottom && y + h >= top;
    });
    if (isIn) found.push(...cell);
  }
  return found;
}
