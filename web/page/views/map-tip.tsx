/**
 * A tensor of the map in short: beside the pointer, and for screen readers.
 */
import { formatBytes, formatDecibels, formatShape } from '../../../js/words/format.js';
import { printableName } from '../../../js/words/printable.js';
import { decisionWords } from '../../../js/words/wording.js';
import { placeOf } from '../map/draw.js';
import type { MapLayout } from '../map/layout.js';
import { decibelsOf } from '../runs.js';
import { outputBytes } from '../tensor-rows.js';
import type { Workbench } from '../workbench.js';
import type { ViewProps } from './view-props.js';

/** What is known of a tensor, in short. */
export function wordsOf(workbench: Workbench, index: number): readonly string[] {
  const tensor = workbench.model.peek()?.catalog.tensors[index];
  if (tensor === undefined) return [];
  const planned = workbench.planned.peek().get(tensor.name);
  const report = workbench.reports.peek().get(tensor.name);
  const after = planned === undefined ? '' : ` → ${formatBytes(outputBytes(planned))}`;
  return [
    printableName(tensor.name),
    `${formatShape(tensor.shape)} ${tensor.dtype}, ${formatBytes(tensor.bytes)}${after}`,
    ...(planned === undefined ? [] : [decisionWords(planned)]),
    ...(report === undefined ? [] : [formatDecibels(decibelsOf(report))]),
  ];
}

export function Tip({
  workbench,
  layout,
  tensor,
}: ViewProps & { layout: MapLayout; tensor: number }) {
  const [x = 0, y = 0, w = 0, h = 0] = placeOf(layout.places, tensor);
  const isLow = y > layout.height / 2;
  const isRight = x + w / 2 > layout.width / 2;
  const [title = '', ...lines] = wordsOf(workbench, tensor);
  return (
    <div
      class="tip"
      aria-hidden="true"
      style={{
        ...(isLow ? { bottom: `${layout.height - y + 6}px` } : { top: `${y + h + 6}px` }),
        ...(isRight ? { right: `${layout.width - x - w}px` } : { left: `${x}px` }),
      }}
    >
      <strong>{title}</strong>
      {lines.map((line) => (
        <span key={line}>{line}</span>
      ))}
    </div>
  );
}
