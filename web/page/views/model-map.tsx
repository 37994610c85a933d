/**
 * The model as a picture: layers from left to right, roles from top to bottom, each as large as its bytes; coloured by
 * the bits that are planned, and after a run by the error that was measured.
 * It exists because one look at it says what a table of hundreds of rows does not.
 * All that it shows stands in words below it, too.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { layoutOf } from '../map/layout.js';
import { stacksOf } from '../map/stacks.js';
import { decibelsOf } from '../runs.js';
import type { Workbench } from '../workbench.js';
import { fateOf, plannedFates } from './fates.js';
import { useDrawing, useMarking } from './map-drawing.js';
import { pressed } from './map-keys.js';
import { MapLegend, type Scale } from './map-legend.js';
import { type Band, usePointer } from './map-pointer.js';
import { MapText } from './map-text.js';
import { Tip, wordsOf } from './map-tip.js';
import type { ViewProps } from './view-props.js';

const HEIGHTS = { wide: 400, narrow: 320, tree: 300 };
const NARROW = 560;
export function ModelMap({ workbench }: ViewProps) {
  const model = workbench.model.value;
  const tensors = model?.catalog.tensors ?? [];
  const stacks = useMemo(() => stacksOf(tensors), [tensors]);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState<number>();
  const [said, say] = useState('');
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const [band, setBand] = useState<Band>();
  const layout = useMemo(() => {
    const high = stacks.stacks.length === 0 ? HEIGHTS.tree : HEIGHTS.wide;
    const height = width < NARROW ? HEIGHTS.narrow : high;
    return width === 0 ? undefined : layoutOf(tensors, stacks, width, height);
  }, [tensors, stacks, width]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => setAt(undefined), [tensors]);
  const [reports, planned] = [workbench.reports.value, plannedFates(workbench)];
  const scale = useMemo(() => scaleOf(workbench), [reports]);
  const fates = useMemo(
    () => new Set(tensors.map((tensor) => fateOf(tensor, planned.get(tensor.name)))),
    [tensors, planned],
  );
  useDrawing(workbench, canvas, layout, scale);
  useMarking(workbench, above, layout, at, band);
  const pointer = usePointer(workbench, { layout, canvas: above, setAt, setBand });
  // One rectangle would be no picture.
  if (tensors.length < 2) return null;
  const onKeyDown = (event: KeyboardEvent) => {
    if (layout === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const answer = pressed(event, layout, at, workbench);
    if (answer === undefined) return;
    event.preventDefault();
    if (answer.at !== undefined) setAt(answer.at);
    say(answer.said ?? (answer.at === undefined ? '' : wordsOf(workbench, answer.at).join(', ')));
  };
  return (
    <section class="card map" aria-labelledby="map-title">
      <div class="row">
        <h2 id="map-title">The model</h2>
        <MapLegend scale={scale} fates={fates} isStored={planned.size === 0} />
      </div>
      <div
        ref={box}
        class="map-box"
        role="application"
        aria-roledescription="map"
        aria-label={`Map of ${tensors.length} tensors, in words below`}
        aria-describedby="map-help"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys move from tensor to tensor
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => setAt(undefined)}
      >
        <canvas ref={canvas} />
        <canvas ref={above} class="above" {...pointer} />
        {at !== undefined && layout !== undefined && (
          <Tip workbench={workbench} layout={layout} tensor={at} />
        )}
      </div>
      <p class="hidden" role="status">
        {said}
      </p>
      <p id="map-help" class="quiet hint">
        Area is bytes. Click for a tensor
        {workbench.activity.value === 'quantize' &&
          ', drag to select, click the name of a row for all of it; keys 8, 4, 1 and 0 choose 8, 4, 16 bits or none for a row'}
        .
      </p>
      <MapText workbench={workbench} stacks={stacks} />
    </section>
  );
}

/** From the worst to the best that was measured; undefined before a run. */
function scaleOf({ reports }: Workbench): Scale | undefined {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const report of reports.value.values()) {
    const decibels = decibelsOf(report);
    if (decibels === null) continue;
    low = Math.min(low, decibels);
    high = Math.max(high, decibels);
  }
  if (high < low) return undefined;
  // Less than this is no difference that deserves colours.
  const middle = (low + high) / 2;
  return high - low < 6 ? { low: middle - 3, high: middle + 3 } : { low, high };
}
