/**
 * From what a hand draws to the image that the classifier takes.
 * It exists because the model learned from scanned digits that fill the image from top to bottom.
 * As those were made: 32 × 32 black or white points, of which each 4 × 4 are counted for one of 8 × 8 grey values.
 */
import { SIDE } from './network.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Points that one movement of the pen joins. */
export type Stroke = readonly Point[];

const BLOCK = 4;
const POINTS = SIDE * BLOCK;
/** As wide as the strokes of the images that the model learned from: they cover three tenths of the image. */
const PEN = 2.3;
/** Whatever is drawn lies at least so far from the border. */
const MARGIN = 2;

/** Grey values from 0 to 1; undefined if nothing was drawn. */
export function imageOf(strokes: readonly Stroke[]): Float32Array | undefined {
  const placed = fitted(strokes);
  if (placed === undefined) return undefined;
  const image = new Float32Array(SIDE * SIDE);
  for (let y = 0; y < POINTS; y++) {
    for (let x = 0; x < POINTS; x++) {
      if (!isInked(placed, { x: x + 0.5, y: y + 0.5 })) continue;
      const at = Math.trunc(y / BLOCK) * SIDE + Math.trunc(x / BLOCK);
      image[at] = (image[at] ?? 0) + 1 / BLOCK ** 2;
    }
  }
  return image;
}

/** As high as the image, or as wide if it is a wide one, and in the middle. */
function fitted(strokes: readonly Stroke[]): readonly Stroke[] | undefined {
  const all = strokes.flat();
  if (all.length === 0) return undefined;
  const [left, right] = [Math.min(...all.map(({ x }) => x)), Math.max(...all.map(({ x }) => x))];
  const [top, bottom] = [Math.min(...all.map(({ y }) => y)), Math.max(...all.map(({ y }) => y))];
  const room = POINTS - 2 * MARGIN;
  const size = Math.max(right - left, bottom - top);
  const scale = size === 0 ? 0 : room / size;
  const place = ({ x, y }: Point): Point => ({
    x: POINTS / 2 + (x - (left + right) / 2) * scale,
    y: POINTS / 2 + (y - (top + bottom) / 2) * scale,
  });
  return strokes.map((stroke) => stroke.map(place));
}

function isInked(strokes: readonly Stroke[], point: Point): boolean {
  return strokes.some((stroke) =>
    stroke.some((end, index) => distance(point, stroke[index - 1] ?? end, end) <= PEN),
  );
}

/** From a point to the line between two others. */
function distance({ x, y }: Point, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const squared = dx * dx + dy * dy;
  const along = squared === 0 ? 0 : ((x - from.x) * dx + (y - from.y) * dy) / squared;
  const held = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x - from.x - held * dx, y - from.y - held * dy);
}
