/**
 * How many tensors came out how well, as bins and as a picture.
 * The bins are as wide as makes them readable; what lies far outside is counted at the ends.
 */
import type { Quality } from '../../api/types.js';
import { formatCount, formatPlural } from '../format.js';

interface Bin {
  /** In dB: from the first, up to the second. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Of the worst tensor in it. */
  readonly quality: Quality;
}

interface Rated {
  readonly sqnrDb: number;
  readonly quality: Quality;
}

/** Below, nothing is left of a tensor; above, nobody can tell a difference. */
const LOWEST = -10;
const HIGHEST = 120;
const STEPS = [1, 2, 5, 10, 20];
const MOST_BINS = 20;

/** Side by side from the worst to the best; none of nothing. `rated`: the worst first. */
export function binsOf(rated: readonly Rated[]): readonly Bin[] {
  const clamped = rated.map(({ sqnrDb }) => Math.min(Math.max(sqnrDb, LOWEST), HIGHEST));
  const [first, last] = [clamped[0], clamped.at(-1)];
  if (first === undefined || last === undefined) return [];
  const spanOf = (step: number) => Math.floor(last / step) - Math.floor(first / step) + 1;
  const step = STEPS.find((each) => spanOf(each) <= MOST_BINS) ?? 20;
  const start = Math.floor(first / step);
  return Array.from({ length: spanOf(step) }, (_, index) => {
    const own = rated.filter((_, at) => Math.floor((clamped[at] ?? 0) / step) === start + index);
    const low = (start + index) * step;
    return { low, high: low + step, count: own.length, quality: own[0]?.quality ?? 'good' };
  });
}

/** Of all bars together; few bars are no walls. */
const WIDTH = 640;
const WIDEST_BAR = 64;
const HEIGHT = 220;
const LEFT = 48;
const BOTTOM = 44;
const TOP = 12;
const GAP = 2;

/** An `svg` element of class `histogram`; bars have the classes of their quality. Empty if there is nothing to show. */
export function histogramSvg(rated: readonly Rated[]): string {
  const bins = binsOf(rated);
  if (bins.length === 0) return '';
  const most = Math.max(...bins.map(({ count }) => count));
  const ticks = ticksUpTo(most);
  const top = Math.max(most, ticks.at(-1) ?? 1);
  const width = Math.min(WIDTH / bins.length, WIDEST_BAR);
  const right = round(LEFT + bins.length * width);
  const yOf = (count: number) => round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - count / top));
  const base = yOf(0);
  const grid = ticks.map((count) => {
    const y = yOf(count);
    return (
      `<line class="grid" x1="${LEFT}" x2="${right}" y1="${y}" y2="${y}"/>` +
      `<text class="count" x="${LEFT - 8}" y="${y + 4}">${formatCount(count)}</text>`
    );
  });
  const bars = bins.map(({ low, high, count, quality }, index) => {
    const x = round(LEFT + index * width + GAP / 2);
    const y = yOf(count);
    const words = `${low} to ${high} dB: ${formatPlural(count, 'tensor')}`;
    return `<rect class="${quality}" x="${x}" y="${y}" width="${round(width - GAP)}" height="${round(base - y)}"><title>${words}</title></rect>`;
  });
  // Few labels: at most ten, under the edges of bins.
  const each = Math.ceil(bins.length / 10);
  const edges = [...bins.map(({ low }) => low), bins.at(-1)?.high ?? 0];
  const labels = edges.flatMap((edge, index) =>
    index % each === 0
      ? [`<text class="edge" x="${round(LEFT + index * width)}" y="${base + 18}">${edge}</text>`]
      : [],
  );
  const axis = `<text class="axis" x="${(LEFT + right) / 2}" y="${HEIGHT - 6}">dB</text>`;
  const summary = `Histogram: ${formatPlural(rated.length, 'tensor')} between ${edges[0]} and ${edges.at(-1)} dB`;
  return `<svg class="histogram" viewBox="0 0 ${right + 16} ${HEIGHT}" width="${right + 16}" role="img" aria-label="${summary}">${[...grid, ...bars, ...labels, axis].join('')}</svg>`;
}

/** At most five whole numbers, from 0 to `most` or a little more. */
function ticksUpTo(most: number): readonly number[] {
  const steps = [1, 2, 5].flatMap((digit) =>
    [0, 1, 2, 3, 4, 5, 6].map((zeros) => digit * 10 ** zeros),
  );
  const step = steps.sort((a, b) => a - b).find((each) => most / each <= 4) ?? most;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
