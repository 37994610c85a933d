/**
 * A front as people see it: some of its points, what searching was worth, and how well the table has told the truth.
 */
import type { Front, FrontPoint, Losses } from '../../api/front.js';
import type { PlainFact } from '../facts.js';
import { formatBytes, formatCount, formatPlural } from '../format.js';
import type { ColumnView, RowView, TableView } from '../report/tables.js';

/** Below this nobody sees a difference. */
const LEAST_PERCENT = 0.05;

export function frontFacts(front: Front): readonly PlainFact[] {
  const { sets, points, population, seed, objectives, generations, sample, sourceBytes } = front;
  const last = generations.at(-1);
  const first = generations[0];
  return [
    ['model', formatBytes(sourceBytes)],
    [
      'chosen',
      `${formatPlural(sets.length, 'decision')} between ${front.settings.length} settings`,
    ],
    [
      'measured',
      sample === null ? 'every weight' : `about ${formatCount(sample)} weights of each tensor`,
    ],
    [
      'searched',
      `${formatCount(last?.evaluations ?? 0)} choices in ${formatPlural(generations.length - 1, 'generation')} of ${formatCount(population)}, seed ${seed}, for ${objectives.join(', ')}`,
    ],
    ['found', formatPlural(points.length, 'point')],
    [
      'hypervolume',
      `${formatVolume(first?.hypervolume)} at the start, ${formatVolume(last?.hypervolume)} at the end`,
    ],
    ['the search', gainWords(front)],
    ['the table', agreementWords(front)],
    ['left open', 'what the model as a whole would lose: that takes running it'],
  ];
}

const LESS: Readonly<Record<string, string>> = {
  worst: 'a smaller worst error',
  time: 'less time',
};

/** What searching has added to what needs no search: honestly, also if that is nothing. */
export function gainWords({ gain, objectives }: Pick<Front, 'gain' | 'objectives'>): string {
  if (gain === undefined)
    return 'is not held against the hull: error and bytes are not both objectives';
  const others = objectives.filter((each) => each !== 'error' && each !== 'bytes');
  const { meanPercent, largestPercent, number } = gain;
  if (largestPercent < LEAST_PERCENT) {
    const why =
      others.length === 0
        ? 'two sums need no search, --budget gives the same'
        : `what it adds are points with ${others.map((each) => LESS[each]).join(' and ')}`;
    return `adds nothing to the error at equal bytes: ${why}`;
  }
  const mean =
    meanPercent < 0 ? `${formatPercent(-meanPercent)} more` : `${formatPercent(meanPercent)} less`;
  return `the error at equal bytes is up to ${formatPercent(largestPercent)} less than without it (#${number}), ${mean} on average`;
}

/** Of predicted and measured errors, in one line. */
export function agreementWords({ agreement }: Pick<Front, 'agreement'>): string {
  if (agreement === undefined) return 'was not compared with what encoding shows';
  const { points, spearman, outputSpearman, bytesDiffer } = agreement;
  const ranks = spearman === null ? '' : ` rank correlation ${spearman.toFixed(3)},`;
  const executed =
    outputSpearman === undefined || outputSpearman === null
      ? ''
      : ` ${outputSpearman.toFixed(3)} with the outputs of executed layers,`;
  return `${formatPlural(points, 'point')} encoded:${ranks}${executed} bytes differ by ${formatBytes(bytesDiffer)} at most`;
}

const columnsOf = (executes: boolean): readonly ColumnView[] => [
  { title: '#' },
  { title: 'bytes', align: 'right' },
  { title: 'bits a weight', align: 'right' },
  { title: 'error', align: 'right' },
  { title: 'measured', align: 'right' },
  ...(executes ? [{ title: 'executed', align: 'right' } as const] : []),
  { title: 'worst', align: 'right' },
  { title: 'bits of the weights' },
  { title: 'preset' },
];

/** Points that were encoded, or those that are given. */
export function pointTable(front: Front, shown: readonly number[]): TableView {
  const rows = shown.flatMap((index) => front.points[index] ?? []);
  const executes = rows.some(({ measured }) => measured?.outputError !== undefined);
  return {
    title: 'front',
    columns: columnsOf(executes),
    rows: rows.map((point) => rowOf(front, point, executes)),
  };
}

/** Settings for all tensors, and how many times the error of the front's point of at most as many bytes they have. */
export function presetTable({ presets, points }: Front): TableView {
  return {
    title: 'one setting for all',
    columns: [
      { title: 'setting' },
      { title: 'bytes', align: 'right' },
      { title: 'error', align: 'right' },
      { title: 'worst', align: 'right' },
      { title: 'beside the front' },
    ],
    rows: presets.map((preset) => ({
      cells: [
        preset.label,
        formatBytes(preset.bytes),
        formatLoss(preset.error),
        formatLoss(preset.worst),
        besideWords(preset, points),
      ],
    })),
  };
}

function besideWords(preset: Losses, points: Front['points']): string {
  const within = points.filter(({ bytes }) => bytes <= preset.bytes);
  const best = within.reduce<FrontPoint | undefined>(
    (least, point) => (least === undefined || point.error < least.error ? point : least),
    undefined,
  );
  if (best === undefined) return '';
  if (best.error >= preset.error) return `on it (#${best.number})`;
  return best.error === 0
    ? `#${best.number} loses nothing`
    : `${(preset.error / best.error).toFixed(2)}× the error of #${best.number}`;
}

function rowOf(front: Front, point: FrontPoint, executes: boolean): RowView {
  const { number, bytes, bitsPerWeight, error, worst, preset = '', measured } = point;
  return {
    cells: [
      `#${number}`,
      formatBytes(bytes),
      bitsPerWeight.toFixed(2),
      formatLoss(error),
      measured === undefined ? '' : formatLoss(measured.error),
      ...(executes
        ? [measured?.outputError === undefined ? '' : formatLoss(measured.outputError)]
        : []),
      formatLoss(worst),
      mixWords(front, point),
      preset,
    ],
  };
}

/** "4: 60, 8: 12": how many decisions have so many bits. */
function mixWords({ settings }: Front, { choice }: FrontPoint): string {
  const counts = new Map<string, number>();
  for (const setting of choice) {
    const bits = String(settings[setting]?.choices.bits ?? '');
    counts.set(bits, (counts.get(bits) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([bits, count]) => `${bits}: ${count}`)
    .join(', ');
}

/** Three digits: "0.0123", "1.23e-5". */
export function formatLoss(loss: number): string {
  return String(Number(loss.toPrecision(3)));
}

function formatPercent(percent: number): string {
  return `${Number(percent.toPrecision(2))} %`;
}

function formatVolume(volume: number | undefined): string {
  return (volume ?? 0).toFixed(4);
}
