/**
 * The best that is found for every size: choices of bits for each tensor of which none is better than another in all
 * that was asked about.
 * It exists as the document of `search`. Errors are of weights, or of what layers compute where their inputs are known;
 * each counts as much as its place says. What a whole model would lose is another question.
 */
import type { Configuration } from './plan-options.js';
import { areCodes } from './schemes.js';
import type { LayerChoices, SensitivitySetting } from './sensitivity.js';

/** What points are compared by; all are better if they are smaller. */
export const OBJECTIVES = ['error', 'worst', 'bytes', 'time'] as const;
export type Objective = (typeof OBJECTIVES)[number];

export const FRONT_FORMAT = 'monoquant-front';
export const FRONT_VERSION = 1;

/** How far a search was. */
export interface SearchProgress {
  readonly generation: number;
  /** Choices that were looked at so far. */
  readonly evaluations: number;
  /** What the front dominates, as a part of the box between the least and the largest losses of any choice. */
  readonly hypervolume: number;
  /** Points that nothing found is better than. */
  readonly front: number;
}

export interface Losses {
  /** Of the whole output. */
  readonly bytes: number;
  /** Relative squared errors, each times the prior of its place, summed over all tensors. */
  readonly error: number;
  /** The largest relative squared error of a tensor. */
  readonly worst: number;
}

/** What encoding a point has shown. */
export interface MeasuredLosses extends Losses {
  /**
   * The relative squared errors of what layers compute, executed from their codes on captured inputs, each times how
   * much its place counts. Absent without captured inputs.
   */
  readonly outputError?: number;
}

export interface FrontPoint extends Losses {
  /** From 1; what `front.json#7` names. */
  readonly number: number;
  readonly bitsPerWeight: number;
  /** Milliseconds, if it was an objective. */
  readonly time?: number;
  /** The least error that is found for so many bytes without a search. */
  readonly hullError: number;
  /** Of `settings`: one for each of `sets`. */
  readonly choice: readonly number[];
  /** The label of the setting that every tensor has. */
  readonly preset?: string;
  /** What encoding all of it has shown. */
  readonly measured?: MeasuredLosses;
}

/** A setting for all tensors. */
export interface FrontPreset extends Losses {
  readonly label: string;
}

/** What the front is worth beside the hull, which needs no search: their errors at equal bytes. */
export interface FrontGain {
  /** In per cent of the hull's error: over all points, and where it is largest. */
  readonly meanPercent: number;
  readonly largestPercent: number;
  /** The number of that point. */
  readonly number: number;
}

/** How well the table has told what encoding shows. */
export interface FrontAgreement {
  readonly points: number;
  /** Rank correlation of predicted and measured errors, from -1 to 1; null of fewer than three. */
  readonly spearman: number | null;
  /** The same of predicted errors and those of the outputs of executed layers; absent if none were executed. */
  readonly outputSpearman?: number | null;
  /** By how much the bytes of an output differ at most. */
  readonly bytesDiffer: number;
}

export interface Front {
  readonly format: typeof FRONT_FORMAT;
  readonly formatVersion: typeof FRONT_VERSION;
  /** Of the package. */
  readonly version: string;
  readonly seed: number;
  readonly population: number;
  readonly objectives: readonly Objective[];
  /** What all points are changes of. */
  readonly base: Configuration;
  /** Values of each tensor that the table was measured with; null: all. */
  readonly sample: number | null;
  readonly settings: readonly SensitivitySetting[];
  /** Names of tensors that have one setting together. */
  readonly sets: readonly (readonly string[])[];
  readonly weights: number;
  readonly sourceBytes: number;
  /** One a generation, and the start. */
  readonly generations: readonly SearchProgress[];
  readonly presets: readonly FrontPreset[];
  /** From the smallest output to the largest. */
  readonly points: readonly FrontPoint[];
  /** What else the search has kept. */
  readonly dominated: readonly Losses[];
  /** Absent if error and bytes are not both objectives. */
  readonly gain?: FrontGain;
  readonly agreement?: FrontAgreement;
}

/** Choices for each tensor that make the point of this number; undefined if there is none. */
export function overridesOf(
  {
    points,
    sets,
    settings,
    base: { method },
  }: Pick<Front, 'sets' | 'settings'> & {
    readonly base: Pick<Configuration, 'method'>;
    readonly points: readonly Pick<FrontPoint, 'number' | 'choice'>[];
  },
  number: number,
): readonly ({ readonly pattern: string } & LayerChoices)[] | undefined {
  const point = points.find((each) => each.number === number);
  return point?.choice.flatMap((setting, set) => {
    const { choices = {} } = settings[setting] ?? {};
    // A method that was asked for holds for all; else each width has the one that is best for it.
    const ofAll = method !== 'auto' && areCodes(choices.bits) ? { method } : {};
    return (sets[set] ?? []).map((name) => ({ pattern: literal(name), ...ofAll, ...choices }));
  });
}

/** A pattern that matches this name alone, whatever signs are in it. */
function literal(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `re:^${name.replace(/[^\w]/g, '\\$&')}$`;
}
