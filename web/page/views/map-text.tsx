/**
 * The map in words: one line for each role of the layers, with what becomes of it.
 * It exists for those who do not see the picture, and for those who want its numbers.
 */
import { useMemo, useState } from 'preact/hooks';
import { countBy } from '../../../js/words/counts.js';
import { formatBytes, formatCount, formatDecibels } from '../../../js/words/format.js';
import { printable } from '../../../js/words/printable.js';
import { type Stacks, shortRoles } from '../map/stacks.js';
import { decibelsOf } from '../runs.js';
import { outputBytes } from '../tensor-rows.js';
import type { Workbench } from '../workbench.js';
import { fateOf, plannedFates } from './fates.js';

interface Line {
  readonly label: string;
  readonly tensors: readonly number[];
}

export function MapText({ workbench, stacks }: { workbench: Workbench; stacks: Stacks }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="map-text" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>The same in words</summary>
      {isOpen && <Lines workbench={workbench} stacks={stacks} />}
    </details>
  );
}

function Lines({ workbench, stacks }: { workbench: Workbench; stacks: Stacks }) {
  const lines = useMemo(() => linesOf(stacks), [stacks]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <div class="scrolled" tabIndex={0} role="group" aria-label="The map in words">
      <table class="plain-table">
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col">Tensors</th>
            <th scope="col">Size</th>
            <th scope="col">After</th>
            <th scope="col">Becomes</th>
            <th scope="col">Worst</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <LineRow key={line.label} line={line} workbench={workbench} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function LineRow({ line, workbench }: { line: Line; workbench: Workbench }) {
  const all = workbench.model.value?.catalog.tensors ?? [];
  const [planned, reports] = [plannedFates(workbench), workbench.reports.value];
  const tensors = line.tensors.flatMap((index) => all[index] ?? []);
  const plans = tensors.flatMap(({ name }) => planned.get(name) ?? []);
  const fates = countBy(tensors, (tensor) => fateOf(tensor, planned.get(tensor.name)));
  const decibels = tensors.flatMap(({ name }) => {
    const report = reports.get(name);
    return (report && decibelsOf(report)) ?? [];
  });
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return (
    <tr>
      <th scope="row">{printable(line.label)}</th>
      <td>{formatCount(tensors.length)}</td>
      <td>{formatBytes(sum(tensors.map(({ bytes }) => bytes)))}</td>
      <td>{plans.length > 0 && formatBytes(sum(plans.map(outputBytes)))}</td>
      <td>
        {fates.length === 1
          ? fates[0]?.[0]
          : fates.map(([fate, count]) => `${formatCount(count)} ${fate}`).join(', ')}
      </td>
      <td>{decibels.length > 0 && formatDecibels(Math.min(...decibels))}</td>
    </tr>
  );
}

function linesOf({ stacks, others }: Stacks): readonly Line[] {
  const lines = stacks.flatMap((stack) => {
    const labels = shortRoles(stack.roles.map(({ name }) => name));
    return stack.roles.map((role, index) => ({
      label: `${stack.name}: ${labels[index] ?? role.name}`,
      tensors: [...role.layers.values()].flat(),
    }));
  });
  if (others.length === 0) return lines;
  return [...lines, { label: stacks.length === 0 ? 'all tensors' : 'other', tensors: others }];
}
