/**
 * What tensors would lose as people see it: by what they are, by layer, and one by one.
 */

import { areCodes } from '../../api/schemes.js';
import type { Sensitivity, SensitivityCell, SensitivityTensor } from '../../api/sensitivity.js';
import type { PlainFact } from '../facts.js';
import { formatBytes, formatCount, formatPlural } from '../format.js';
import type { ColumnView, RowView, TableView } from '../report/tables.js';

export function sensitivityFacts(document: Sensitivity): readonly PlainFact[] {
  const { tensors, sets, sample, sourceBytes } = document;
  return [
    ['model', formatBytes(sourceBytes)],
    [
      'measured',
      knowsOutputs(document)
        ? 'what layers would lose of their outputs, by what is known of their inputs'
        : 'what weights would lose; what that costs the outputs of layers, captured inputs (-c) would tell',
    ],
    ['left open', 'what the model as a whole would lose: that takes running it'],
    ...(knowsExecuted(document)
      ? [
          [
            'executed',
            'what layers lose when they compute with their codes on the captured inputs, beside the same with floats',
          ] as const,
        ]
      : []),
    [
      'looked at',
      sample === null
        ? `every weight of ${formatPlural(tensors.length, 'tensor')}`
        : `about ${formatCount(sample)} weights of each of ${formatPlural(tensors.length, 'tensor')}`,
    ],
    ['together', `${formatPlural(sets.length, 'decision')}: what runtimes fuse has one setting`],
  ];
}

/** Whether any layer was executed. */
export function knowsExecuted({ tensors }: Pick<Sensitivity, 'tensors'>): boolean {
  return tensors.some(({ cells }) =>
    cells.some(({ executedError }) => executedError !== undefined),
  );
}

/** Whether all cells say what layers lose. */
export function knowsOutputs({ tensors, settings }: Sensitivity): boolean {
  // What stays floats is not measured by its inputs.
  const isFloat = (setting: number) => !areCodes(settings[setting]?.choices.bits ?? 'none');
  return tensors.every(({ cells }) =>
    cells.every(
      ({ error, outputError }, setting) =>
        error === 0 || isFloat(setting) || outputError !== undefined,
    ),
  );
}

/** The means of tensors that are the same in their layers. */
export function roleTable(document: Sensitivity): TableView {
  const groups = grouped(document.tensors, ({ role }) => role);
  return meansTable(document, 'by kind', 'kind', groups);
}

const MOST_ROWS = 12;

/** Of layers that follow one another, if there are many. */
export function depthTable(document: Sensitivity): TableView {
  const depths = document.tensors.flatMap(({ depth }) => depth ?? []);
  const layers = Math.max(-1, ...depths) + 1;
  const each = Math.max(1, Math.ceil(layers / MOST_ROWS));
  const groups = grouped(document.tensors, ({ depth }) => {
    if (depth === null) return 'in no layer';
    const first = Math.floor(depth / each) * each;
    const last = Math.min(layers, first + each) - 1;
    return first === last ? `layer ${first}` : `layers ${first} to ${last}`;
  });
  return meansTable(document, 'by depth', 'layers', groups);
}

/** All of them, or those that lose most in the middle of the settings. */
export function tensorTable(document: Sensitivity, most?: number): TableView {
  const { tensors, settings } = document;
  const middle = Math.floor((settings.length - 1) / 2);
  const lossOf = ({ cells }: SensitivityTensor) => lossIn(cells[middle]);
  const shown =
    most === undefined || tensors.length <= most
      ? tensors
      : [...tensors].sort((a, b) => lossOf(b) - lossOf(a)).slice(0, most);
  const title = shown === tensors ? 'tensors' : `the most sensitive ${shown.length} tensors`;
  const rows = shown.map(({ name, elements, cells }) => ({
    label: name,
    weights: elements,
    losses: cells.map(lossIn),
  }));
  return lossTable(document, title, 'tensor', rows);
}

/** What executed layers lose; null if none was executed. */
export function executedTable(document: Sensitivity, most?: number): TableView | null {
  if (!knowsExecuted(document)) return null;
  const { settings } = document;
  const middle = Math.floor((settings.length - 1) / 2);
  const tensors = document.tensors.filter(({ cells }) =>
    cells.some(({ executedError }) => executedError !== undefined),
  );
  const lossOf = ({ cells }: SensitivityTensor) => cells[middle]?.executedError ?? 0;
  const isCut = most !== undefined && tensors.length > most;
  const shown = isCut ? [...tensors].sort((a, b) => lossOf(b) - lossOf(a)).slice(0, most) : tensors;
  const rows = shown.map(({ name, elements, cells }) => ({
    label: name,
    weights: elements,
    losses: cells.map(({ executedError }) => executedError),
  }));
  const title = `${isCut ? `the worst ${most} ` : ''}executed layers`;
  return lossTable(document, title, 'tensor', rows);
}

/** Of what its layer computes where that is known, else of its weights. */
function lossIn(cell: SensitivityCell | undefined): number {
  return cell?.outputError ?? cell?.error ?? 0;
}

function grouped(
  tensors: readonly SensitivityTensor[],
  keyOf: (tensor: SensitivityTensor) => string,
): ReadonlyMap<string, readonly SensitivityTensor[]> {
  const groups = new Map<string, SensitivityTensor[]>();
  for (const tensor of tensors) {
    const key = keyOf(tensor);
    groups.set(key, [...(groups.get(key) ?? []), tensor]);
  }
  return groups;
}

function meansTable(
  document: Sensitivity,
  title: string,
  label: string,
  groups: ReadonlyMap<string, readonly SensitivityTensor[]>,
): TableView {
  const rows = [...groups].map(([key, members]) => ({
    label: members.length === 1 ? key : `${key} (${members.length})`,
    weights: members.reduce((sum, { elements }) => sum + elements, 0),
    losses: document.settings.map(
      (_, setting) =>
        members.reduce((sum, { cells }) => sum + lossIn(cells[setting]), 0) / members.length,
    ),
  }));
  return lossTable(document, title, label, rows);
}

interface LossRow {
  readonly label: string;
  readonly weights: number;
  /** Undefined: not known. */
  readonly losses: readonly (number | undefined)[];
}

function lossTable(
  { settings }: Sensitivity,
  title: string,
  label: string,
  rows: readonly LossRow[],
): TableView {
  const columns: readonly ColumnView[] = [
    { title: label, shrink: 'middle' },
    { title: 'weights', align: 'right' },
    ...shortLabels(settings).map((short): ColumnView => ({ title: short, align: 'right' })),
  ];
  return {
    title,
    columns,
    rows: rows.map(
      ({ label: name, weights, losses }): RowView => ({
        cells: [name, formatCount(weights), ...losses.map(formatLoss)],
        shades: [undefined, undefined, ...losses.map(shadeOf)],
      }),
    ),
  };
}

/** Without what all of them say. */
function shortLabels(settings: Sensitivity['settings']): readonly string[] {
  const endings = new Set(
    settings.flatMap(({ label, choices: { bits } }) =>
      bits === 16 || bits === 'none' ? [] : [label.replace(/^\d+ bits/, '')],
    ),
  );
  const [ending = ''] = endings.size === 1 ? endings : [];
  return settings.map(({ label }) =>
    label.slice(0, label.length - (label.endsWith(ending) ? ending.length : 0)),
  );
}

/** A relative squared error: "1.4 %", "0.012 %". */
export function formatLoss(loss: number | undefined): string {
  if (loss === undefined) return '';
  return loss === 0 ? '0' : `${Number((loss * 100).toPrecision(2))} %`;
}

const LEAST = 1e-6;

/** From 0, next to nothing is lost, to 1, everything: by orders of magnitude. */
function shadeOf(loss: number | undefined): number | undefined {
  if (loss === undefined) return undefined;
  if (loss <= LEAST) return 0;
  return Math.min(1, 1 - Math.log10(loss) / Math.log10(LEAST));
}
