/**
 * Size against quality before any run: single settings as points, the best mixes as a line, and a handle on it.
 * What the handle chooses is what the run does: a budget.
 * The handle is a slider, so keys and screen readers have it, too; the picture beside it says the same.
 */
import type { SizeCurve } from 'monoquant';
import { useEffect, useState } from 'preact/hooks';
import { formatBytes } from '../../../js/words/format.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

const STAGES = { plan: 'Looking at the model', encode: 'Measuring a sample' } as const;

export function SizeCurveField({ workbench }: ViewProps) {
  const { weighing } = workbench;
  const curve = weighing.curve.value;
  const fault = weighing.work.fault.value;
  return (
    <details class="more" onToggle={({ currentTarget }) => currentTarget.open && workbench.weigh()}>
      <summary>Size against quality</summary>
      <WorkProgress work={weighing.work} words={STAGES} />
      {fault !== undefined && <p class="note">{fault.message}</p>}
      {curve !== undefined &&
        (curve.mixed.length < 2 ? (
          <p class="note">There is nothing to choose between.</p>
        ) : (
          <Curve curve={curve} workbench={workbench} />
        ))}
    </details>
  );
}

function Curve({ curve, workbench }: ViewProps & { readonly curve: SizeCurve }) {
  const { budget } = workbench.choice.value;
  const chosen = indexOf(curve, budget);
  const [index, setIndex] = useState(chosen ?? middleOf(curve));
  useEffect(() => {
    if (chosen !== undefined) setIndex(chosen);
  }, [chosen]);
  const words = wordsOf(curve, index);
  return (
    <figure class="size-curve">
      <Picture curve={curve} index={index} isChosen={chosen !== undefined} />
      <label class="field">
        <span class="hidden">Size of the output</span>
        <input
          type="range"
          min={0}
          max={curve.mixed.length - 1}
          value={index}
          aria-valuetext={words}
          onInput={({ currentTarget }) => setIndex(Number(currentTarget.value))}
          onChange={({ currentTarget }) => {
            workbench.change({ budget: budgetAt(curve, Number(currentTarget.value)) });
          }}
        />
      </label>
      <figcaption>
        <p>{words}</p>
        <p class="quiet">
          The line mixes bits by layer, points have one setting for all. Loss is the weights’, by
          how much each place in a model counts; what it is worth only the model can tell.
        </p>
        {chosen !== undefined && (
          <button
            type="button"
            class="button"
            onClick={() => workbench.change({ budget: undefined })}
          >
            No budget
          </button>
        )}
      </figcaption>
    </figure>
  );
}

function lastIndex(
  points: SizeCurve['mixed'],
  is: (point: SizeCurve['mixed'][number]) => boolean,
): number {
  const behind = [...points].reverse().findIndex(is);
  return behind < 0 ? -1 : points.length - 1 - behind;
}

/** Bits for each weight, rounded up so that the point itself still fits. */
function budgetAt({ mixed, fixedBytes, weights }: SizeCurve, index: number): string {
  const bits = (8 * ((mixed[index]?.bytes ?? 0) - fixedBytes)) / weights;
  return `${(Math.ceil(bits * 1000) / 1000).toFixed(3)}bpw`;
}

/** The last point within the budget. */
function indexOf(curve: SizeCurve, budget: string | null | undefined): number | undefined {
  if (budget == null || !budget.endsWith('bpw')) return undefined;
  const bytes = curve.fixedBytes + (Number.parseFloat(budget) * curve.weights) / 8;
  const found = lastIndex(curve.mixed, (point) => point.bytes <= bytes);
  return found < 0 ? undefined : found;
}

/** Where most people look first: 4 bits. */
function middleOf(curve: SizeCurve): number {
  const four = curve.uniform.find(({ choices }) => choices.bits === 4) ?? curve.uniform[0];
  const found = lastIndex(curve.mixed, ({ bytes }) => bytes <= (four?.bytes ?? 0));
  return Math.max(0, found);
}

function wordsOf(curve: SizeCurve, index: number): string {
  const point = curve.mixed[index];
  if (point === undefined) return '';
  const bits = (8 * (point.bytes - curve.fixedBytes)) / curve.weights;
  const size = `${formatBytes(point.bytes)}, ${bits.toFixed(2)} bits a weight`;
  const [near] = curve.uniform
    .filter(({ choices }) => choices.bits !== 16)
    .sort((a, b) => Math.abs(a.bytes - point.bytes) - Math.abs(b.bytes - point.bytes));
  if (near === undefined || near.score === 0) return size;
  const ratio = point.score / near.score;
  return `${size}; ${ratio < 0.995 ? `${((1 - ratio) * 100).toFixed(0)} % less` : ratio > 1.005 ? `${ratio.toFixed(ratio < 10 ? 1 : 0)} × the` : 'the same'} loss ${ratio < 0.995 ? 'than' : 'of'} ${near.label} for all (${formatBytes(near.bytes)})`;
}

const WIDTH = 320;
const HEIGHT = 170;
const EDGE = { left: 8, right: 8, top: 14, bottom: 22 };

interface PictureProps {
  readonly curve: SizeCurve;
  readonly index: number;
  readonly isChosen: boolean;
}

/** Sizes from left to right, losses by orders of magnitude from the bottom up. */
function Picture({ curve, index, isChosen }: PictureProps) {
  const points = [...curve.uniform, ...curve.mixed];
  const sizes = points.map(({ bytes }) => bytes);
  const losses = points.flatMap(({ score }) => (score > 0 ? [Math.log10(score)] : []));
  const x = scaleOf(Math.min(...sizes), Math.max(...sizes), EDGE.left, WIDTH - EDGE.right);
  const y = scaleOf(Math.min(...losses), Math.max(...losses), HEIGHT - EDGE.bottom, EDGE.top);
  const at = ({ bytes, score }: { readonly bytes: number; readonly score: number }) =>
    [x(bytes), score > 0 ? y(Math.log10(score)) : HEIGHT - EDGE.bottom] as const;
  const point = curve.mixed[index];
  const [left, top] = point === undefined ? [0, 0] : at(point);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path class="axis" d={`M${EDGE.left} ${HEIGHT - EDGE.bottom}H${WIDTH - EDGE.right}`} />
      <text class="end" x={WIDTH - EDGE.right} y={10}>
        ↑ loss, logarithmic
      </text>
      <text x={EDGE.left} y={HEIGHT - 7}>
        {formatBytes(Math.min(...sizes))}
      </text>
      <text class="end" x={WIDTH - EDGE.right} y={HEIGHT - 7}>
        {formatBytes(Math.max(...sizes))}
      </text>
      <polyline class="mixed" points={curve.mixed.map((each) => at(each).join()).join(' ')} />
      {curve.uniform.map((each) => {
        const [cx, cy] = at(each);
        return (
          <g key={each.label}>
            <circle class="uniform" cx={cx} cy={cy} r={3} />
            <title>{`${each.label}: ${formatBytes(each.bytes)}`}</title>
          </g>
        );
      })}
      <path class="drop" d={`M${left} ${top}V${HEIGHT - EDGE.bottom}`} />
      <circle class={isChosen ? 'handle chosen' : 'handle'} cx={left} cy={top} r={6} />
    </svg>
  );
}

function scaleOf(low: number, high: number, from: number, to: number): (value: number) => number {
  const range = high - low || 1;
  return (value) => from + ((value - low) / range) * (to - from);
}
