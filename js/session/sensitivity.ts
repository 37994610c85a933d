/**
 * From measured runs to the table of what each tensor would lose under each setting.
 */
import { MonoquantError } from '../api/errors.js';
import type { RunOptions } from '../api/options.js';
import { areCodes } from '../api/schemes.js';
import type { Sensitivity, SensitivityCell, SensitivityTensor } from '../api/sensitivity.js';
import type { SensitivityRequest } from '../api/sensitivity-options.js';
import type { Catalog, Configuration, Report } from '../api/types.js';
import type { TensorChoices } from '../engine/engine-options.js';

/** Encodes the model with the choices for some tensors, and keeps the report alone. */
export type Measure = (mix: readonly TensorChoices[], run: RunOptions) => Promise<Report>;

export interface Measured {
  readonly catalog: Catalog;
  /** Tensors that can have codes, by their indices in the catalog. */
  readonly candidates: readonly number[];
  /** Tensors that can only have one setting, by their indices in the catalog. */
  readonly families: readonly (readonly number[])[];
}

/** One run a setting; the progress is that of all. */
export async function sensitivityOf(
  { settings, base, sample, run }: SensitivityRequest,
  measured: Measured,
  measure: Measure,
): Promise<Sensitivity> {
  const reports: Report[] = [];
  for (const [index, { choices }] of settings.entries()) {
    const onProgress = partOf(run.onProgress, index, settings.length);
    const mix = mixed(base, [{ ...choices, tensors: measured.candidates }]);
    reports.push(await measure(mix, { ...run, ...onProgress }));
  }
  const [first] = reports;
  if (first === undefined) throw new MonoquantError('internal', 'There are no settings.');
  const tensors = tensorsOf(measured, reports);
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
  };
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
  reports: readonly Report[],
): readonly SensitivityTensor[] {
  const byName = reports.map(({ tensors }) => new Map(tensors.map((each) => [each.name, each])));
  const familyOf = new Map(
    families.flatMap((members, family) => members.map((member) => [member, family] as const)),
  );
  const found = catalog.tensors.flatMap(({ name, shape, bytes }, index) => {
    const rows = byName.map((reported) => reported.get(name));
    if (!rows.some((row) => row?.decision === 'quantize')) return [];
    const cells = rows.map((row): SensitivityCell => {
      // A copy loses nothing.
      if (row === undefined) return { bytes, error: 0 };
      const { outputBytes, sqnrDb, outputSqnrDb } = row;
      const output = outputSqnrDb === undefined ? {} : { outputError: errorOf(outputSqnrDb) };
      return { bytes: outputBytes, error: errorOf(sqnrDb), ...output };
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

/** Null: nothing was lost. */
export function errorOf(sqnrDb: number | null): number {
  return sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10);
}

/** What a tensor is in its layer, and in which. */
export function placeOf(name: string): Pick<SensitivityTensor, 'role' | 'depth'> {
  const parts = name.split('.');
  const module = parts.length > 1 ? parts.slice(0, -1) : parts;
  const role = module.filter((part) => !/^\d+$/.test(part)).at(-1) ?? name;
  const depth = module.find((part) => /^\d+$/.test(part));
  return { role, depth: depth === undefined ? null : Number(depth) };
}
