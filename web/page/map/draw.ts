/**
 * The map on a canvas: one rectangle a tensor, names of rows beside, numbers of layers above.
 * It exists as one canvas because tens of thousands of elements would stop the page.
 */
import type { Shade } from './colours.js';
import type { MapLayout } from './layout.js';

export interface MapPicture {
  readonly layout: MapLayout;
  /** Of each tensor: few in all, so that those of one shade are drawn together. */
  readonly shadeOf: (tensor: number) => Shade;
  readonly wordOf: (tensor: number) => string;
  /** What it is called, if it is in no row that says so. */
  readonly titleOf: (tensor: number) => string;
  /** While a run goes on: those that are done. */
  readonly isDone?: (tensor: number) => boolean;
}

/** What changes with every move of a pointer, on a canvas of its own above the map. */
export interface MapMarks {
  readonly layout: MapLayout;
  readonly selected: readonly number[];
  /** Under the pointer or the keys, and the one that is shown in the inspector. */
  readonly marked: readonly (number | undefined)[];
  /** What is dragged over: two corners. */
  readonly band: readonly [x: number, y: number, x2: number, y2: number] | undefined;
}

export interface MapStyle {
  readonly text: string;
  readonly quiet: string;
  readonly ground: string;
  readonly accent: string;
  readonly font: string;
}

const LEAST_WORD_WIDTH = 24;
const LEAST_WORD_HEIGHT = 13;
const WAITING = 0.22;
const MOST_RINGS = 600;

/** Draws the map bit by bit: between two steps the page can do something else. */
export function* drawingOf(
  canvas: HTMLCanvasElement,
  picture: MapPicture,
  style: MapStyle,
): Generator<void, void, void> {
  const pen = penFor(canvas, picture.layout);
  if (pen === undefined) return;
  drawNames(pen, picture.layout, style);
  yield* drawTensors(pen, picture, allOf(picture.layout));
}

/** Draws some of them again, over what was there. */
export function redraw(
  canvas: HTMLCanvasElement,
  picture: MapPicture,
  tensors: readonly number[],
): void {
  const pen = canvas.getContext('2d');
  if (pen === null) return;
  const { places } = picture.layout;
  for (const tensor of tensors) {
    const at = 4 * tensor;
    pen.clearRect(places[at] ?? 0, places[at + 1] ?? 0, places[at + 2] ?? 0, places[at + 3] ?? 0);
  }
  for (const _ of drawTensors(pen, picture, tensors));
}

function allOf({ places }: MapLayout): readonly number[] {
  return Array.from({ length: places.length / 4 }, (_, tensor) => tensor);
}

export function drawMarks(canvas: HTMLCanvasElement, marks: MapMarks, style: MapStyle): void {
  const pen = penFor(canvas, marks.layout);
  if (pen === undefined) return;
  const { places } = marks.layout;
  const around = (tensor: number) => {
    const at = 4 * tensor;
    const [x = 0, y = 0, w = 0, h = 0] = [
      places[at],
      places[at + 1],
      places[at + 2],
      places[at + 3],
    ];
    pen.rect(x - 0.5, y - 0.5, w + 1, h + 1);
  };
  pen.beginPath();
  for (const tensor of marks.selected) around(tensor);
  // Rings around many small ones would leave nothing of their colours.
  if (marks.selected.length > MOST_RINGS) {
    pen.globalAlpha = 0.5;
    pen.fillStyle = style.text;
    pen.fill();
    pen.globalAlpha = 1;
  } else stroke(pen, style.text, 1.5);
  for (const tensor of marks.marked) {
    if (tensor === undefined) continue;
    pen.beginPath();
    around(tensor);
    stroke(pen, style.ground, 5);
    stroke(pen, style.text, 2.5);
  }
  if (marks.band === undefined) return;
  const [x, y, x2, y2] = marks.band;
  pen.beginPath();
  pen.rect(x, y, x2 - x, y2 - y);
  stroke(pen, style.accent, 2);
}

function stroke(pen: CanvasRenderingContext2D, colour: string, width: number): void {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke();
}

/** Of a canvas that is as large as the map, and empty. */
function penFor(
  canvas: HTMLCanvasElement,
  { width, height }: MapLayout,
): CanvasRenderingContext2D | undefined {
  const scale = devicePixelRatio || 1;
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext('2d') ?? undefined;
  pen?.setTransform(scale, 0, 0, scale, 0, 0);
  pen?.clearRect(0, 0, width, height);
  return pen;
}

/** Rectangles that are drawn in one go, in a millisecond or two. */
const AT_ONCE = 2000;

function* drawTensors(
  pen: CanvasRenderingContext2D,
  { layout, ...of }: MapPicture,
  tensors: readonly number[],
): Generator<void, void, void> {
  const { places } = layout;
  const shades = new Map<Shade, { done: number[]; waiting: number[] }>();
  for (const tensor of tensors) {
    if ((places[4 * tensor + 2] ?? 0) <= 0) continue;
    const shade = of.shadeOf(tensor);
    let group = shades.get(shade);
    if (group === undefined) {
      group = { done: [], waiting: [] };
      shades.set(shade, group);
    }
    (of.isDone?.(tensor) === false ? group.waiting : group.done).push(tensor);
  }
  for (const [{ colour, ink }, { done, waiting }] of shades) {
    for (const [group, alpha] of [
      [done, 1],
      [waiting, WAITING],
    ] as const) {
      for (let begin = 0; begin < group.length; begin += AT_ONCE) {
        // Somebody else may have drawn meanwhile.
        pen.fillStyle = colour;
        pen.globalAlpha = alpha;
        fill(pen, places, group.slice(begin, begin + AT_ONCE));
        pen.globalAlpha = 1;
        yield;
      }
    }
    pen.fillStyle = ink;
    pen.font = '11px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    for (const tensor of done) drawWords(pen, places, tensor, of);
  }
}

function fill(
  pen: CanvasRenderingContext2D,
  places: Float32Array,
  tensors: readonly number[],
): void {
  for (const tensor of tensors) {
    const at = 4 * tensor;
    const [w = 0, h = 0] = [places[at + 2], places[at + 3]];
    pen.fillRect(places[at] ?? 0, places[at + 1] ?? 0, w < 0.5 ? 0.5 : w, h < 0.5 ? 0.5 : h);
  }
}

const LEAST_TITLE_WIDTH = 56;
const LINE = 15;

function drawWords(
  pen: CanvasRenderingContext2D,
  places: Float32Array,
  tensor: number,
  { wordOf, titleOf }: Pick<MapPicture, 'wordOf' | 'titleOf'>,
): void {
  const at = 4 * tensor;
  const [x = 0, y = 0, w = 0, h = 0] = [places[at], places[at + 1], places[at + 2], places[at + 3]];
  if (w < LEAST_WORD_WIDTH || h < LEAST_WORD_HEIGHT) return;
  const title = w < LEAST_TITLE_WIDTH ? '' : shortened(pen, titleOf(tensor), w - 8);
  const lines = [title, wordOf(tensor)].filter((line) => line !== '');
  const shown = lines.slice(0, Math.max(1, Math.floor(h / LINE)));
  const top = y + h / 2 + 0.5 - ((shown.length - 1) * LINE) / 2;
  for (const [index, line] of shown.entries()) {
    pen.fillText(line, x + w / 2, top + index * LINE, w - 2);
  }
}

function drawNames(
  pen: CanvasRenderingContext2D,
  { rows, columns }: MapLayout,
  { quiet, font }: MapStyle,
): void {
  pen.fillStyle = quiet;
  pen.font = font;
  if (columns.length > 0) {
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    const left = columns[0]?.x ?? 0;
    for (const { label, y, height } of rows) {
      if (height >= 9) pen.fillText(shortened(pen, label, left - 8), left - 8, y + height / 2);
    }
  }
  pen.textAlign = 'left';
  pen.textBaseline = 'alphabetic';
  for (const { label, x, y } of columns) pen.fillText(label, x, y);
}

function shortened(pen: CanvasRenderingContext2D, text: string, room: number): string {
  let short = text;
  while (short.length > 2 && pen.measureText(short).width > room) short = `…${short.slice(2)}`;
  return short;
}

export function placeOf(places: Float32Array, tensor: number): Float32Array {
  return places.subarray(4 * tensor, 4 * tensor + 4);
}
