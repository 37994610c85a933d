/**
 * Runs beside each other: in which options they differ, how far each is from a baseline, and what could explain it.
 * It exists so that the command, programs and the page find the same differences in the same lines.
 */
import { MEASURES, type Measure, measured } from '../api/run-measures.js';
import type { RunFile, RunRecord } from '../api/run-record.js';

export interface ComparedOption {
  readonly option: string;
  /** Of each run, in their order; undefined: it was not said. */
  readonly values: readonly unknown[];
}

export interface ComparedMeasure {
  readonly measure: Measure;
  /** Of each run; null: it has none, or nothing was lost. */
  readonly values: readonly (number | null)[];
  /** How much more than the baseline has. */
  readonly deltas: readonly (number | null)[];
}

/** What a run was made of, held against the baseline's; null: nobody knows. */
export interface SameParts {
  readonly source: boolean | null;
  readonly calibration: boolean | null;
  readonly version: boolean;
  readonly output: boolean | null;
}

export interface RunComparison {
  /** The id of the run that the others are measured by. */
  readonly baseline: string;
  readonly runs: readonly string[];
  /** Those in which not all are alike, the baseline included. */
  readonly options: readonly ComparedOption[];
  readonly measures: readonly ComparedMeasure[];
  /** Of each run. */
  readonly same: readonly SameParts[];
}

export function compareRuns(baseline: RunRecord, runs: readonly RunRecord[]): RunComparison {
  return {
    baseline: baseline.id,
    runs: runs.map(({ id }) => id),
    options: differingOptions([baseline, ...runs]).map(({ option, values }) => ({
      option,
      values: values.slice(1),
    })),
    measures: MEASURES.flatMap((measure) => {
      const values = runs.map((run) => measured(run, measure));
      const base = measured(baseline, measure);
      if ([base, ...values].every((value) => value === null)) return [];
      const deltas = values.map((value) => (value === null || base === null ? null : value - base));
      return [{ measure, values, deltas }];
    }),
    same: runs.map((run) => sameParts(baseline, run)),
  };
}

/** Options that not all of them have alike, in the order of the first that has them. */
function differingOptions(runs: readonly RunRecord[]): readonly ComparedOption[] {
  const keys = new Set(runs.flatMap(({ options }) => Object.keys(options)));
  const all = [...keys].map((option) => ({
    option,
    values: runs.map(({ options }) => options[option]),
  }));
  const commands = { option: 'command', values: runs.map(({ command }) => command) };
  return [commands, ...all].filter(
    ({ values }) => new Set(values.map((value) => JSON.stringify(value))).size > 1,
  );
}

export function sameParts(first: RunRecord, second: RunRecord): SameParts {
  return {
    source: sameFiles(first.inputs, second.inputs),
    calibration: sameFiles(first.calibration, second.calibration),
    version: first.version === second.version,
    output: sameFiles(first.outputs, second.outputs),
  };
}

/** By their digests, or by what servers call their versions. */
function sameFiles(first: readonly RunFile[], second: readonly RunFile[]): boolean | null {
  if (first.length !== second.length) return false;
  const answers = first.map((file, index) => sameFile(file, second[index] ?? file));
  if (answers.includes(false)) return false;
  return answers.includes(null) ? null : true;
}

function sameFile(first: RunFile, second: RunFile): boolean | null {
  if (first.bytes !== null && second.bytes !== null && first.bytes !== second.bytes) return false;
  if (first.sha256 !== null && second.sha256 !== null) return first.sha256 === second.sha256;
  if (first.version === undefined || second.version === undefined) return null;
  return first.name === second.name ? first.version === second.version : null;
}
