/**
 * Draws the map of the model when something has changed: all of it bit by bit, while a run goes on only what it has
 * done since, and what is selected or pointed at on a canvas above.
 */
import { useEffect, useMemo } from 'preact/hooks';
import { printableName } from '../../../js/words/printable.js';
import { errorShade, FATE_SHADES } from '../map/colours.js';
import { drawingOf, drawMarks, type MapPicture, type MapStyle, redraw } from '../map/draw.js';
import type { MapLayout } from '../map/layout.js';
import { decibelsOf } from '../runs.js';
import type { Workbench } from '../workbench.js';
import { fateOf, plannedFates } from './fates.js';
import type { Scale } from './map-legend.js';
import type { Band } from './map-pointer.js';

/** Pictures a second while a run goes on. */
const FRAME_MS = 120;
/** Tensors that one of them adds at most. */
const MOST_AT_ONCE = 4000;
/** Of a frame, for drawing. */
const STEP_MS = 8;

export interface CanvasRef {
  readonly current: HTMLCanvasElement | null;
}

function styleOf(element: Element): MapStyle {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: colour('--text'),
    quiet: colour('--quiet'),
    ground: colour('--card'),
    accent: colour('--accent'),
    font: '12px system-ui, sans-serif',
  };
}

/** Draws when something has changed, and now and then while a run goes on. */
export function useDrawing(
  workbench: Workbench,
  canvas: CanvasRef,
  layout: MapLayout | undefined,
  scale: Scale | undefined,
): void {
  const tensors = workbench.model.value?.catalog.tensors ?? [];
  const planned = plannedFates(workbench);
  const reports = workbench.reports.value;
  const isRunning = workbench.quantizing.isRunning.value;
  const ends = useMemo(() => endsOf(isRunning ? tensors : []), [tensors, isRunning]);
  // Colours of what is stored would be those of the plan a moment later.
  const isAwaited = isPlanAwaited(workbench);
  const shades = useMemo(
    () =>
      tensors.map((tensor) => {
        const report = reports.get(tensor.name);
        if (scale === undefined || report === undefined) {
          return FATE_SHADES[fateOf(tensor, planned.get(tensor.name))];
        }
        const decibels = decibelsOf(report);
        const { low, high } = scale;
        return errorShade(decibels === null ? 1 : (decibels - low) / (high - low));
      }),
    [tensors, planned, reports, scale],
  );
  useEffect(() => {
    const element = canvas.current;
    if (element === null || layout === undefined || isAwaited) return;
    let doneBytes = doneOf(workbench);
    const isInLayer = inLayersOf(layout);
    const picture: MapPicture = {
      layout,
      shadeOf: (index) => shades[index] ?? FATE_SHADES['left alone'],
      wordOf: (index) => {
        const report = reports.get(tensors[index]?.name ?? '');
        return (report && decibelsOf(report))?.toFixed(0) ?? '';
      },
      titleOf: (index) => {
        const name = tensors[index]?.name ?? '';
        return isInLayer(index) ? '' : printableName(name.replace(/\.weight$/, ''));
      },
      ...(isRunning ? { isDone: (index) => (ends.of[index] ?? 0) <= doneBytes } : {}),
    };
    let stop = () => {};
    const draw = () => {
      stop();
      stop = stepByStep(drawingOf(element, picture, styleOf(element)));
    };
    draw();
    let next = ends.order.findIndex((index) => (ends.of[index] ?? 0) > doneBytes);
    const goOn = () => {
      doneBytes = doneOf(workbench);
      const begin = Math.max(next, 0);
      let end = begin;
      while (end < ends.order.length && (ends.of[ends.order[end] ?? 0] ?? 0) <= doneBytes) end++;
      next = Math.min(end, begin + MOST_AT_ONCE);
      redraw(element, picture, ends.order.slice(begin, next));
    };
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    const timer = isRunning ? setInterval(goOn, FRAME_MS) : undefined;
    return () => {
      stop();
      dark.removeEventListener('change', draw);
      clearInterval(timer);
    };
  }, [layout, tensors, shades, reports, ends, isRunning, isAwaited]);
}

/** Whether a tensor is in a row that has a name: all of a layout with layers but what is in none. */
function inLayersOf({ columns, rows }: MapLayout): (tensor: number) => boolean {
  if (columns.length === 0) return () => false;
  const others = new Set(rows.find(({ label }) => label === 'other')?.tensors);
  return (tensor) => !others.has(tensor);
}

function isPlanAwaited({ activity, planned, forecast }: Workbench): boolean {
  if (activity.value !== 'quantize' || planned.value.size > 0) return false;
  return forecast.value.fault === undefined;
}

/** Takes a step as long as a frame has time for it, then waits for the next. Returns what ends it. */
function stepByStep(steps: Generator<void, void, void>): () => void {
  let frame = 0;
  const go = () => {
    const begin = performance.now();
    while (performance.now() - begin < STEP_MS) if (steps.next().done === true) return;
    frame = requestAnimationFrame(go);
  };
  go();
  return () => cancelAnimationFrame(frame);
}

/** What is selected, shown and pointed at. */
export function useMarking(
  workbench: Workbench,
  canvas: CanvasRef,
  layout: MapLayout | undefined,
  at: number | undefined,
  band: Band,
): void {
  const names = workbench.names.value;
  const selection = workbench.selection.value;
  const chosen = workbench.chosenTensor.value;
  const selected = useMemo(
    () =>
      selection.size === 0 ? [] : [...names.keys()].filter((n) => selection.has(names[n] ?? '')),
    [names, selection],
  );
  const shown = useMemo(
    () => (chosen === undefined ? undefined : names.indexOf(chosen)),
    [names, chosen],
  );
  useEffect(() => {
    const element = canvas.current;
    if (element === null || layout === undefined) return;
    drawMarks(element, { layout, selected, marked: [shown, at], band }, styleOf(element));
  }, [layout, selected, shown, at, band]);
}

/** How many bytes of the model a run has done when each tensor is done: they are taken in the order of the file. */
function endsOf(tensors: readonly { readonly bytes: number; readonly offset: number }[]) {
  const offsets = Float64Array.from(tensors, ({ offset }) => offset);
  const order = Uint32Array.from(tensors.keys()).sort(
    (a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0),
  );
  const of = new Float64Array(tensors.length);
  let end = 0;
  for (const index of order) {
    end += tensors[index]?.bytes ?? 0;
    of[index] = end;
  }
  return { of, order: [...order] };
}

function doneOf({ quantizing, model }: Workbench): number {
  const headway = quantizing.headway.peek();
  if (headway === undefined || headway.stage === 'plan') return 0;
  if (headway.stage !== 'encode') return Number.POSITIVE_INFINITY;
  const total = model.peek()?.catalog.tensors.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
  return headway.fraction * total;
}
