/**
 * From measured runs to the table of what each tensor would lose under each setting.
 */
import { MonoquantError } from '../api/errors.js';
import type { RunOptions } from '../api/options.js';
import { areCodes } from '../api/schemes.js';
import type {
  LayerChoices,
  Sensitivity,
  SensitivityCell,
  SensitivityTensor,
} from '../api/sensitivity.js';
import { examinedSetting, type SensitivityRequest } from '../api/sensitivity-options.js';
import type { Catalog, Configuration, Report } from '../api/types.js';
import type { TensorChoices } from '../engine/engine-options.js';
import { type Examined, isExecuted } from './examination.js';
import { cellOf } from './losses.js';
import { type FinerOutcome, outliersOf } from './outliers.js';

/** How the model is encoded with the choices for some tensors. */
export interface Measures {
  /** Keeps the report alone. */
  measure(mix: readonly TensorChoices[], run: RunOptions): Promise<Report>;
  /** Also looks at the output. */
  examine(
    mix: readonly TensorChoices[],
    wanted: { readonly wantsOutliers: boolean; readonly executes: boolean },
    run: RunOptions,
  ): Promise<{ readonly report: Report; readonly found: Examined }>;
  /** Whether there are captured inputs for layers. */
  readonly canExecute: boolean;
}

/** What came of one setting. */
interface Outcome extends Examined {
  readonly report: Report;
}

export interface Measured {
  readonly catalog: Catalog;
  /** Tensors that can have codes, by their indices in the catalog. */
  readonly candidates: readonly number[];
  /** Tensors that can only have one setting, by their indices in the catalog. */
  readonly families: readonly (readonly number[])[];
}

/** One run a setting; the progress is that of all. */
export async function sensitivityOf(
  request: SensitivityRequest,
  measured: Measured,
  measures: Measures,
): Promise<Sensitivity> {
  const { settings, base, sample } = request;
  const { outcomes, finer } = await outcomesOf(request, measured, measures);
  const reports = outcomes.map(({ report }) => report);
  const [first] = reports;
  if (first === undefined) throw new MonoquantError('internal', 'There are no settings.');
  const tensors = tensorsOf(measured, outcomes);
  const outliers = request.examines
    ? outliersOf({ settings, tensors, outcomes, finer })
    : undefined;
  const changing = reports.map((_, setting) =>
    tensors.reduce((sum, { cells }) => sum + (cells[setting]?.bytes ?? 0), 0),
  );
  const fixed = reports.map(({ sizes }, setting) => sizes.outputBytes - (changing[setting] ?? 0));
  return {
    version: first.version,
    configuration: base,
    sample: sample === 0 ? null : sample,
    settings: settings.map(({ label, choices }) => ({ label, choices })),
    tensors,
    sets: setsOf(tensors),
    fixedBytes: Math.max(...fixed),
    sourceBytes: measured.catalog.bytes,
    ...(outliers && { outliers }),
  };
}

async function outcomesOf(
  { settings, base, run, finer, examines = false }: SensitivityRequest,
  { candidates }: Measured,
  measures: Measures,
): Promise<{ readonly outcomes: readonly Outcome[]; readonly finer: FinerOutcome | undefined }> {
  const outcomes: Outcome[] = [];
  const count = settings.length + (finer === undefined ? 0 : 1);
  const mixOf = (choices: LayerChoices) => mixed(base, [{ ...choices, tensors: candidates }]);
  const runOf = (index: number) => ({ ...run, ...partOf(run.onProgress, index, count) });
  const examined = examines ? examinedSetting(settings) : -1;
  let executes = examines && measures.canExecute;
  for (const [index, { choices }] of settings.entries()) {
    const wantsOutliers = index === examined;
    const isRun = executes && isExecuted(base, choices.bits);
    const mix = mixOf(choices);
    if (!wantsOutliers && !isRun) {
      outcomes.push({ report: await measures.measure(mix, runOf(index)) });
      continue;
    }
    const wanted = { wantsOutliers, executes: isRun };
    const { report, found } = await measures.examine(mix, wanted, runOf(index));
    // Statistics of inputs are no inputs: the first run shows which of the two the file has.
    executes &&= !isRun || (found.executed?.size ?? 0) > 0;
    outcomes.push({ report, ...found });
  }
  if (finer === undefined) return { outcomes, finer };
  const report = await measures.measure(mixOf(finer.choices), runOf(settings.length));
  return { outcomes, finer: { label: finer.label, report } };
}

/** A method that was asked for holds for all; else each width has the one that is best for it. */
export function mixed(
  { method }: Pick<Configuration, 'method'>,
  mix: readonly TensorChoices[],
): readonly TensorChoices[] {
  if (method === 'auto') return mix;
  return mix.map((choices) => (areCodes(choices.bits) ? { method, ...choices } : choices));
}

/** Of several runs that are one to their caller. */
export function partOf(
  onProgress: RunOptions['onProgress'],
  index: number,
  count: number,
): Pick<RunOptions, 'onProgress'> {
  if (onProgress === undefined) return {};
  return {
    onProgress: (progress) =>
      onProgress({ ...progress, fraction: (index + progress.fraction) / count }),
  };
}

function tensorsOf(
  { catalog, families }: Measured,
  outcomes: readonly Outcome[],
): readonly SensitivityTensor[] {
  const byName = outcomes.map(
    ({ report }) => new Map(report.tensors.map((each) => [each.name, each])),
  );
  const familyOf = new Map(
    families.flatMap((members, family) => members.map((member) => [member, family] as const)),
  );
  const found = catalog.tensors.flatMap(({ name, shape, bytes }, index) => {
    const rows = byName.map((reported) => reported.get(name));
    if (!rows.some((row) => row?.decision === 'quantize')) return [];
    const cells = rows.map((row, setting): SensitivityCell => {
      // A copy loses nothing.
      if (row === undefined) return { bytes, error: 0 };
      const executedError = outcomes[setting]?.executed?.get(name);
      return {
        ...cellOf(row),
        ...(executedError !== undefined && { executedError }),
      };
    });
    const elements = shape.reduce((product, extent) => product * extent, 1);
    return [{ name, elements, ...placeOf(name), cells, family: familyOf.get(index) }];
  });
  found.sort((a, b) => (a.depth ?? -1) - (b.depth ?? -1));
  const numbers = new Map<number, number>();
  let sets = 0;
  return found.map(({ family, ...tensor }) => {
    const set = (family === undefined ? undefined : numbers.get(family)) ?? sets++;
    if (family !== undefined) numbers.set(family, set);
    return { ...tensor, set };
  });
}

function setsOf(tensors: readonly SensitivityTensor[]): readonly (readonly number[])[] {
  const sets: number[][] = [];
  for (const [index, { set }] of tensors.entries()) {
    const members = sets[set];
    if (members === undefined) sets[set] = [index];
    else members.push(index);
  }
  return sets;
}

/** What a tensor is in its layer, and in which. */
export function placeOf(name: string): Pick<SensitivityTensor, 'role' | 'depth'> {
  const parts = name.split('.');
  const module = parts.length > 1 ? parts.slice(0, -1) : parts;
  const role = module.filter((part) => !/^\d+$/.test(part)).at(-1) ?? name;
  const depth = module.find((part) => /^\d+$/.test(part));
  return { role, depth: depth === undefined ? null : Number(depth) };
}
