/**
 * The model as rectangles: layers from left to right, roles from top to bottom, each as high as its bytes; what is in no
 * layer below. A model without layers is a treemap.
 * It exists apart from drawing because a place under the pointer has to be found, too, and rows have names.
 * Places are in CSS pixels; as flat arrays, because there may be tens of thousands.
 */
import { type Role, type Sized, type Stack, type Stacks, shortRoles } from './stacks.js';

export interface MapRow {
  readonly label: string;
  readonly y: number;
  readonly height: number;
  /** Indices of tensors, from left to right. */
  readonly tensors: readonly number[];
}

export interface MapColumn {
  readonly label: string;
  readonly x: number;
  readonly y: number;
}

export interface MapLayout {
  readonly width: number;
  readonly height: number;
  /** Four numbers for each tensor: x, y, width, height. */
  readonly places: Float32Array;
  readonly rows: readonly MapRow[];
  /** Tensors of one layer and role; else each by itself. */
  readonly cells: readonly (readonly number[])[];
  /** Numbers of layers, above them. */
  readonly columns: readonly MapColumn[];
}

/** Of names beside rows. */
const LABELS = 96;
const NUMBERS = 16;
const GAP = 10;
/** Lower rows would not be seen, nor hit. */
const LEAST_ROW = 5;
/** Rows that are lower than that share one. */
const SMALL_ROW = 3.5;
const SMALL = 'norms and biases';

export function layoutOf(
  tensors: readonly Sized[],
  { stacks, others }: Stacks,
  width: number,
  height: number,
): MapLayout {
  const places = new Float32Array(4 * tensors.length);
  const rows: MapRow[] = [];
  const columns: MapColumn[] = [];
  const cells: (readonly number[])[] = [];
  const total = Math.max(
    1,
    tensors.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  if (stacks.length === 0) {
    treemap(tensors, others, { x: 0, y: 0, width, height }, places);
    rows.push({ label: 'all tensors', y: 0, height, tensors: readingOrder(others, places) });
    for (const index of others) cells.push([index]);
    return { width, height, places, rows, cells, columns };
  }
  const left = Math.min(LABELS, width / 4);
  const bands = stacks.length + (others.length > 0 ? 1 : 0);
  const room = height - stacks.length * NUMBERS - (bands - 1) * GAP;
  let y = 0;
  for (const stack of stacks) {
    const own = Math.max(24, (room * stack.bytes) / total);
    const box = { x: left, y: y + NUMBERS, width: width - left, height: own };
    placeStack(stack, stacks.length > 1, box, { places, rows, cells, columns });
    y = (rows.at(-1)?.y ?? 0) + (rows.at(-1)?.height ?? 0) + GAP;
  }
  if (others.length > 0) {
    const bytes = others.reduce((sum, index) => sum + (tensors[index]?.bytes ?? 0), 0);
    const own = Math.max(14, Math.min(room / 2, (room * bytes) / total));
    treemap(tensors, others, { x: left, y, width: width - left, height: own }, places);
    rows.push({ label: 'other', y, height: own, tensors: readingOrder(others, places) });
    y += own;
  }
  for (const index of others) cells.push([index]);
  return { width, height: Math.ceil(y), places, rows, cells, columns };
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Of the layout, as they are found. */
interface Parts {
  readonly places: Float32Array;
  readonly rows: MapRow[];
  readonly cells: (readonly number[])[];
  readonly columns: MapColumn[];
}

function placeStack(
  stack: Stack,
  isOneOfMany: boolean,
  box: Box,
  { places, rows, cells, columns }: Parts,
): void {
  const step = box.width / stack.layers.length;
  const gap = step > 8 ? 1.5 : step > 3 ? 0.5 : 0;
  const every =
    [1, 2, 4, 5, 8, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * step >= 26) ?? 1000;
  for (const [at, layer] of stack.layers.entries()) {
    if (at % every === 0)
      columns.push({ label: String(layer), x: box.x + at * step, y: box.y - 4 });
  }
  const { large, small } = divided(stack.roles, box.height);
  const labels = shortRoles(stack.roles.map(({ name }) => name));
  const labelOf = (role: Role) => labels[stack.roles.indexOf(role)] ?? role.name;
  const bytes = large.reduce((sum, role) => sum + role.bytes, 0);
  const room = box.height - (small.length > 0 ? LEAST_ROW : 0);
  let y = box.y;
  const place = (roles: readonly Role[], label: string, height: number) => {
    const inRow: number[] = [];
    for (const [at, layer] of stack.layers.entries()) {
      const cell = roles.flatMap((role) => role.layers.get(layer) ?? []);
      const cellBox = { x: box.x + at * step, y, width: step - gap, height: height - gap };
      divide(cell, cellBox, places);
      if (cell.length > 0) cells.push(cell);
      for (const index of cell) inRow.push(index);
    }
    rows.push({
      label: isOneOfMany ? `${stack.name.split('.').at(0) ?? ''} ${label}` : label,
      y,
      height,
      tensors: inRow,
    });
    y += height;
  };
  for (const role of large)
    place([role], labelOf(role), Math.max(LEAST_ROW, (room * role.bytes) / bytes));
  if (small.length === 1 && small[0] !== undefined) place(small, labelOf(small[0]), LEAST_ROW);
  else if (small.length > 1) place(small, SMALL, LEAST_ROW + 1);
}

function divided(
  roles: readonly Role[],
  height: number,
): { readonly large: readonly Role[]; readonly small: readonly Role[] } {
  const bytes = Math.max(
    1,
    roles.reduce((sum, role) => sum + role.bytes, 0),
  );
  const isLarge = (role: Role) => (height * role.bytes) / bytes >= SMALL_ROW;
  const large = roles.filter(isLarge);
  return large.length === 0
    ? { large: roles, small: [] }
    : { large, small: roles.filter((role) => !isLarge(role)) };
}

/** Tensors of one layer and role, in a grid of nearly square cells. */
function divide(cell: readonly number[], box: Box, places: Float32Array): void {
  const count = cell.length;
  if (count === 0) return;
  const across = Math.min(
    count,
    Math.max(1, Math.round(Math.sqrt((count * box.width) / Math.max(box.height, 1)))),
  );
  const down = Math.ceil(count / across);
  const [width, height] = [box.width / across, box.height / down];
  const gap = width > 6 && height > 6 && count > 1 ? 1 : 0;
  for (const [at, index] of cell.entries()) {
    places.set(
      [
        box.x + (at % across) * width,
        box.y + Math.floor(at / across) * height,
        width - gap,
        height - gap,
      ],
      4 * index,
    );
  }
}

/** Squarified: rows of rectangles along the shorter side, as square as they come. */
function treemap(
  tensors: readonly Sized[],
  given: readonly number[],
  box: Box,
  places: Float32Array,
): void {
  const bytesOf = (index: number) => Math.max(1, tensors[index]?.bytes ?? 0);
  const order = [...given].sort((a, b) => bytesOf(b) - bytesOf(a));
  const total = order.reduce((sum, index) => sum + bytesOf(index), 0);
  const scale = (box.width * box.height) / Math.max(1, total);
  let { x, y, width, height } = box;
  let begin = 0;
  while (begin < order.length) {
    const side = Math.min(width, height);
    let end = begin;
    let area = 0;
    let worst = Number.POSITIVE_INFINITY;
    while (end < order.length) {
      const next = area + bytesOf(order[end] ?? 0) * scale;
      const depth = next / side;
      const most = (bytesOf(order[begin] ?? 0) * scale) / depth;
      const least = (bytesOf(order[end] ?? 0) * scale) / depth;
      const shape = Math.max(depth / least, most / depth);
      if (shape > worst) break;
      [area, worst, end] = [next, shape, end + 1];
    }
    const depth = area / Math.max(side, 1e-6);
    const isColumn = width >= height;
    let along = isColumn ? y : x;
    for (const index of order.slice(begin, end)) {
      const length = (bytesOf(index) * scale) / Math.max(depth, 1e-6);
      const own = isColumn ? [x, along, depth, length] : [along, y, length, depth];
      const gap = Math.min(own[2] ?? 0, own[3] ?? 0) > 6 ? 1.5 : 0;
      places.set([own[0] ?? 0, own[1] ?? 0, (own[2] ?? 0) - gap, (own[3] ?? 0) - gap], 4 * index);
      along += length;
    }
    if (isColumn) [x, width] = [x + depth, width - depth];
    else [y, height] = [y + depth, height - depth];
    begin = end;
  }
}

/** As people read: by lines that are as high as a finger, then from left to right. */
function readingOrder(given: readonly number[], places: Float32Array): readonly number[] {
  const line = (index: number) => Math.floor((places[4 * index + 1] ?? 0) / 24);
  return [...given].sort(
    (a, b) => line(a) - line(b) || (places[4 * a] ?? 0) - (places[4 * b] ?? 0),
  );
}

/** The tensor at a place, or the nearest one within a few pixels. */
export function tensorAt({ places }: MapLayout, x: number, y: number): number | undefined {
  let nearest: number | undefined;
  let least = 4;
  for (let at = 0; at < places.length; at += 4) {
    const [left = 0, top = 0, width = 0, height = 0] = [
      places[at],
      places[at + 1],
      places[at + 2],
      places[at + 3],
    ];
    if (width <= 0) continue;
    const away = Math.max(left - x, x - left - width, top - y, y - top - height, 0);
    if (away < least) [least, nearest] = [away, at / 4];
    if (away === 0) break;
  }
  return nearest;
}
