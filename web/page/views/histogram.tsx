/**
 * A histogram with axes that can be read and a cursor that tells values, drawn by uPlot.
 * It exists because axes and cursors are a field of their own; uPlot is small, fast and without dependencies.
 * Loaded after the page is ready; what it shows also stands in words for those who do not see it.
 */
import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { formatCount, formatError } from '../../../js/words/format.js';

interface HistogramProps {
  readonly title: string;
  readonly range: { readonly low: number; readonly high: number };
  readonly series: readonly {
    readonly label: string;
    readonly counts: readonly number[];
    /** A variable of the style. */
    readonly colour: string;
  }[];
  readonly summary: string;
}

const HEIGHT = 190;
/** Where a count of nothing stands on a logarithmic axis: at its lower end. */
const NONE = 0.6;

export function Histogram({ title, range, series, summary }: HistogramProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let plot: uPlot | undefined;
    let isGone = false;
    const draw = async () => {
      const { uPlot } = await import('../charts.js');
      const element = box.current;
      if (isGone || element === null) return;
      plot?.destroy();
      plot = new uPlot(
        optionsOf(uPlot, element, range, series),
        [
          middles(range, series[0]?.counts.length ?? 0),
          ...series.map(({ counts }) => counts.map((count) => Math.max(count, NONE))),
        ],
        element,
      );
    };
    void draw();
    const resized = new ResizeObserver(([entry]) => {
      plot?.setSize({ width: Math.floor(entry?.contentRect.width ?? 300), height: HEIGHT });
    });
    if (box.current !== null) resized.observe(box.current);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      isGone = true;
      resized.disconnect();
      dark.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [range, series]);
  return (
    <figure class="histogram">
      <figcaption>
        <strong>{title}</strong> <span class="quiet">{summary}</span>
      </figcaption>
      <div class="plot" ref={box} aria-hidden="true" />
    </figure>
  );
}

function middles({ low, high }: HistogramProps['range'], count: number): number[] {
  // One value alone still has a place on the axis.
  const width = (high - low || 1) / count;
  return Array.from({ length: count }, (_, bin) => low + (bin + 0.5) * width);
}

function optionsOf(
  { paths }: typeof uPlot,
  element: HTMLElement,
  range: HistogramProps['range'],
  series: HistogramProps['series'],
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
    font: '12px system-ui, sans-serif',
  };
  const bars = paths.bars;
  return {
    width: Math.floor(element.clientWidth),
    height: HEIGHT,
    scales: {
      x: { time: false, range: [range.low, range.high > range.low ? range.high : range.low + 1] },
      // Logarithmic: a single outlier is seen beside a million of others.
      y: { distr: 3, range: (_, __, most) => [NONE, Math.max(most * 1.5, 10)] },
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((split) => formatError(split)) },
      {
        ...axis,
        size: 56,
        splits: powersOfTen,
        // Else every second one goes where there is little room.
        filter: (_, splits) => splits,
        values: (_, splits) => splits.map(shortCount),
      },
    ],
    series: [
      { label: 'value', value: (_, value) => (value == null ? '–' : formatError(value)) },
      ...series.map(({ label, colour: name }, index) => ({
        label,
        stroke: colour(name),
        // The first is an area, so that the others can be seen in front of it.
        ...(index === 0 ? { fill: `${colour(name)}55` } : {}),
        width: 1.5,
        points: { show: false },
        ...(bars === undefined || index > 0 ? {} : { paths: bars({ size: [1], gap: 0 }) }),
        value: (_: uPlot, value: number | null) =>
          value == null ? '–' : formatCount(value < 1 ? 0 : value),
      })),
    ],
  };
}

function powersOfTen({ scales }: uPlot): number[] {
  const most = scales.y?.max ?? 10;
  return Array.from({ length: Math.floor(Math.log10(most)) + 1 }, (_, power) => 10 ** power);
}

/** `12k`, `3.4M`: axes have no room for more. */
function shortCount(count: number): string {
  if (count >= 1e6) return `${Number((count / 1e6).toPrecision(2))}M`;
  return count >= 1e3
    ? `${Number((count / 1e3).toPrecision(2))}k`
    : String(Number(count.toPrecision(3)));
}
