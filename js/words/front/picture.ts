/**
 * A front as a picture: bytes from left to right, the error upwards by orders of magnitude. Points of the front are
 * joined by steps, what they beat is grey, and settings for all tensors have their names.
 */
import type { Front, Losses } from '../../api/front.js';
import { formatBytes } from '../format.js';
import { formatLoss } from './tables.js';

const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 64;
const RIGHT = 44;
const TOP = 56;
const BOTTOM = 44;

/** An `svg` element of class `front`; `escaped` makes text harmless. Empty if there is nothing to show. */
export function frontSvg(front: Front, escaped: (text: string) => string): string {
  const { points, dominated, presets } = front;
  const all = [...points, ...dominated, ...presets];
  const errors = all.flatMap(({ error }) => (error > 0 ? [error] : []));
  if (points.length === 0 || errors.length === 0) return '';
  const place = placing(all, errors);
  const grey = dominated.map((each) => `<circle class="beaten" ${centre(place(each))} r="2"/>`);
  const marks = points.map(
    (each) =>
      `<circle class="point" ${centre(place(each))} r="2.5"><title>#${each.number}: ${escaped(
        `${formatBytes(each.bytes)}, error ${formatLoss(each.error)}`,
      )}</title></circle>`,
  );
  const labels: Place[] = [];
  const named = labelled(presets).map((preset) => {
    const [x, y] = place(preset);
    const isRight = x > WIDTH - 160;
    // One above the other where they would meet.
    const above = labels.filter((other) => isNear(other, [x, y])).map(([, at]) => at - 14);
    const height = round(Math.min(y - 6, ...above));
    labels.push([x, height]);
    const anchor = isRight ? 'end' : 'start';
    return `<rect class="preset" x="${round(x - 4)}" y="${round(y - 4)}" width="8" height="8"/><text x="${round(
      isRight ? x - 8 : x + 8,
    )}" y="${height}" text-anchor="${anchor}">${escaped(preset.label)}</text>`;
  });
  return [
    `<svg class="front" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Error by bytes">`,
    ...axes(all, errors, escaped),
    ...grey,
    `<path class="line" d="${stepLine(points.map(place))}"/>`,
    ...marks,
    ...named,
    '</svg>',
  ].join('\n');
}

/** Settings that come to the same have one label. */
function labelled(presets: Front['presets']): Front['presets'] {
  const found = new Map<string, Front['presets'][number]>();
  for (const preset of presets) {
    const key = `${preset.bytes} ${preset.error}`;
    const same = found.get(key);
    const label = same === undefined ? preset.label : `${same.label}; ${preset.label}`;
    found.set(key, { ...preset, label });
  }
  return [...found.values()];
}

function isNear([x, y]: Place, [otherX, otherY]: Place): boolean {
  return Math.abs(x - otherX) < 240 && Math.abs(y - otherY) < 28;
}

type Place = readonly [x: number, y: number];

function placing(all: readonly Losses[], errors: readonly number[]) {
  const [left, right] = ends(all.map(({ bytes }) => bytes));
  const [low, high] = ends(errors.map(Math.log10));
  return ({ bytes, error }: Losses): Place => {
    const x = LEFT + ((WIDTH - LEFT - RIGHT) * (bytes - left)) / (right - left);
    // What loses nothing lies on the ground.
    const share = error > 0 ? (Math.log10(error) - low) / (high - low) : 0;
    return [round(x), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share)];
  };
}

/** Of numbers that may all be one. */
function ends(numbers: readonly number[]): readonly [low: number, high: number] {
  const low = numbers.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
  const high = numbers.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY);
  return high > low ? [low, high] : [low - 1, high + 1];
}

/** From the smallest: down only where bytes are spent. With three objectives it goes up as well, so only what has less. */
function stepLine(places: readonly Place[]): string {
  let lowest = Number.NEGATIVE_INFINITY;
  const best = places.filter(([, y]) => {
    const isLower = y > lowest;
    lowest = Math.max(lowest, y);
    return isLower;
  });
  return best.map(([x, y], index) => (index === 0 ? `M${x} ${y}` : `H${x}V${y}`)).join('');
}

function axes(
  all: readonly Losses[],
  errors: readonly number[],
  escaped: (text: string) => string,
): readonly string[] {
  const [left, right] = ends(all.map(({ bytes }) => bytes));
  const [low, high] = ends(errors.map(Math.log10));
  const place = placing(all, errors);
  const ground = HEIGHT - BOTTOM;
  const steps = [0, 1, 2, 3, 4].map((step) => left + ((right - left) * step) / 4);
  const across = steps.map((bytes) => {
    const [x] = place({ bytes, error: 1, worst: 0 });
    return `<line class="grid" x1="${x}" x2="${x}" y1="${TOP}" y2="${ground}"/><text x="${x}" y="${ground + 18}" text-anchor="middle">${escaped(formatBytes(Math.max(0, Math.round(bytes))))}</text>`;
  });
  const powers = [];
  for (let power = Math.ceil(low); power <= Math.floor(high); power++) powers.push(power);
  const upwards = powers.map((power) => {
    const [, y] = place({ bytes: left, error: 10 ** power, worst: 0 });
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">1e${power}</text>`;
  });
  return [...across, ...upwards];
}

function centre([x, y]: Place): string {
  return `cx="${x}" cy="${y}"`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
