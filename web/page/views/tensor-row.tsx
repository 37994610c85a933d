/**
 * The rows of the tree of tensors: modules, which open, and tensors, which lead to the inspector.
 */
import type { CSSProperties } from 'preact';
import { useMemo } from 'preact/hooks';
import {
  formatBytes,
  formatDecibels,
  formatPlural,
  formatShape,
} from '../../../js/words/format.js';
import { printableName } from '../../../js/words/printable.js';
import { codesWords, decisionWords } from '../../../js/words/wording.js';
import { decibelsOf } from '../runs.js';
import { outputBytes, type TensorFacts } from '../tensor-rows.js';
import type { LeafNode, ModuleNode } from '../tree.js';
import type { Workbench } from '../workbench.js';
import { BITS_WORDS } from './bits-words.js';
import { Name } from './name.js';

interface RowProps {
  readonly facts: TensorFacts;
  readonly workbench: Workbench;
  /** Its place among the rows. */
  readonly index: number;
  readonly style: CSSProperties;
  readonly isActive: boolean;
  readonly activate: (index: number) => void;
}

export function ModuleRow(
  props: RowProps & { node: ModuleNode; isOpen: boolean; onToggle: () => void },
) {
  const { node, facts, isOpen, onToggle, workbench, index, style, isActive, activate } = props;
  const names = () => node.tensors.map((each) => facts.tensors[each]?.name ?? '');
  const selection = workbench.selection.value;
  const selected =
    selection.size >= node.tensors.length && names().every((name) => selection.has(name));
  const { bytes, after, worst } = useMemo(() => sumsOf(node.tensors, facts), [node, facts]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: keys are those of the whole tree
    <div
      role="row"
      tabIndex={-1}
      id={isActive ? 'active-tensor' : undefined}
      class={`tensor-row module ${isActive ? 'active' : ''} ${selected ? 'selected' : ''}`}
      aria-rowindex={index + 2}
      aria-level={node.depth + 1}
      aria-expanded={isOpen}
      aria-selected={selected}
      style={style}
      onClick={(event) => {
        activate(index);
        if (event.ctrlKey || event.metaKey || event.shiftKey) toggleAll(workbench, names());
        else onToggle();
      }}
    >
      <div role="gridcell" class="name" style={{ paddingLeft: `${node.depth * 16}px` }}>
        <span class={`twist ${isOpen ? 'open' : ''}`} aria-hidden="true" />
        <bdi class="label" title={printableName(node.path)}>
          {printableName(node.label)}
        </bdi>
      </div>
      <div role="gridcell" class="kind quiet">
        {formatPlural(node.tensors.length, 'tensor')}
      </div>
      <div role="gridcell" class="shape" />
      <div role="gridcell" class="dtype" />
      <div role="gridcell" class="bytes">
        {formatBytes(bytes)}
      </div>
      <div role="gridcell" class="becomes" />
      <div role="gridcell" class="after">
        {facts.planned.size > 0 && formatBytes(after)}
      </div>
      <div role="gridcell" class="quality">
        {worst !== undefined && (
          <span title="The worst of its tensors">≥ {formatDecibels(worst)}</span>
        )}
      </div>
    </div>
  );
}

function sumsOf(tensors: readonly number[], facts: TensorFacts) {
  let [bytes, after] = [0, 0];
  let worst: number | undefined;
  for (const each of tensors) {
    const tensor = facts.tensors[each];
    if (tensor === undefined) continue;
    if (tensor.tiedTo === undefined) bytes += tensor.bytes;
    after += outputBytes(facts.planned.get(tensor.name));
    const report = facts.reports.get(tensor.name);
    const decibels = report && decibelsOf(report);
    if (decibels != null) worst = Math.min(worst ?? decibels, decibels);
  }
  return { bytes, after, worst };
}

export function TensorRow(props: RowProps & { node: LeafNode }) {
  const { node, facts, workbench, index, style, isActive, activate } = props;
  const tensor = facts.tensors[node.tensor];
  if (tensor === undefined) return null;
  const { name, kind, shape, dtype, bytes, tiedTo, quantization } = tensor;
  const planned = facts.planned.get(name);
  const report = facts.reports.get(name);
  const isChosen = workbench.chosenTensor.value === name;
  const isSelected = workbench.selection.value.has(name);
  const own = workbench.ownBits.value.get(name);
  const type = quantization === undefined ? dtype : codesWords(quantization);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: keys are those of the whole tree
    <div
      role="row"
      tabIndex={-1}
      id={isActive ? 'active-tensor' : undefined}
      class={`tensor-row ${isActive ? 'active' : ''} ${isChosen ? 'chosen' : ''} ${isSelected ? 'selected' : ''} ${planned?.decision ?? ''}`}
      aria-rowindex={index + 2}
      aria-level={node.depth + 1}
      aria-selected={isSelected}
      style={style}
      onClick={(event) => {
        activate(index);
        if (event.ctrlKey || event.metaKey || event.shiftKey) toggleAll(workbench, [name]);
        else workbench.chosenTensor.value = isChosen ? undefined : name;
      }}
    >
      <div
        role="gridcell"
        class="name"
        style={{ paddingLeft: `${node.depth * 16 + (node.depth > 0 ? 16 : 0)}px` }}
        title={printableName(name)}
      >
        <Name name={node.label} whole={name} />
      </div>
      <div role="gridcell" class="kind">
        {kind}
      </div>
      <div role="gridcell" class="shape">
        {formatShape(shape)}
      </div>
      <div role="gridcell" class="dtype" title={type}>
        {type}
      </div>
      <div role="gridcell" class="bytes">
        {tiedTo === undefined ? formatBytes(bytes) : 'tied'}
      </div>
      <div role="gridcell" class="becomes" title={planned?.explanation}>
        {planned !== undefined && (
          <span class={`pill ${planned.decision}`}>{decisionWords(planned)}</span>
        )}
        {own !== undefined && (
          <span class="own" title={`Chosen: ${BITS_WORDS[own]}`}>
            ●
          </span>
        )}
      </div>
      <div role="gridcell" class="after">
        {planned !== undefined && formatBytes(outputBytes(planned))}
      </div>
      <div role="gridcell" class={`quality ${report?.quality ?? ''}`}>
        {report !== undefined && formatDecibels(decibelsOf(report))}
      </div>
    </div>
  );
}

/** Selects them, or none of them if all are. */
export function toggleAll(workbench: Workbench, names: readonly string[]): void {
  const next = new Set(workbench.selection.peek());
  const isAll = names.every((name) => next.has(name));
  for (const name of names) {
    if (isAll) next.delete(name);
    else next.add(name);
  }
  workbench.selection.value = next;
}
