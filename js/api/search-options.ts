/**
 * What a caller of `search` may ask for, checked: all of it before anything is measured.
 */
import { unexpected } from './check.js';
import { openingOf } from './configuration.js';
import type { Objective } from './front.js';
import { RUN, SEARCH } from './option-table/calls.js';
import { checkOptions, type Inputs } from './option-table/entry.js';
import { CHOICES, OPTIONS } from './option-table/table.js';
import { EVERY, keysOf, type RunOptions } from './options.js';
import type { OpenOptions, PlanOptions } from './plan-options.js';
import { baseOf, labelled, type SensitivityRequest, settingsToMix } from './sensitivity-options.js';

/** A plan, whose bits are searched, and how. */
export interface SearchOptions
  extends PlanOptions,
    OpenOptions,
    RunOptions,
    Inputs<typeof SEARCH> {}

export interface SearchRequest extends SensitivityRequest {
  readonly objectives: readonly Objective[];
  readonly population: number;
  readonly generations: number;
  readonly seed: number;
  /** Whether points that are shown are encoded as a whole. */
  readonly measures: boolean;
  readonly onGeneration: Inputs<typeof SEARCH>['onGeneration'];
}

/** Of each tensor: next to nothing is lost by not looking at more. */
const SAMPLE = 1 << 18;

export function resolveSearch(options: SearchOptions): SearchRequest {
  const given = keysOf(options, CHOICES, SEARCH, ...EVERY);
  const {
    objectives = ['error', 'bytes'],
    population = 200,
    generations = 100,
    seed = 0,
    sample = SAMPLE,
    measure = true,
    onGeneration,
  } = checkOptions(SEARCH, given);
  if (objectives.length < 2) throw unexpected('at least two of them', 'objectives', objectives);
  const { prior = null, ...choices } = checkOptions(OPTIONS, given);
  return {
    run: checkOptions(RUN, given),
    opening: openingOf(given),
    calibration: choices.calibration ?? [],
    base: baseOf(choices),
    settings: labelled(choices, settingsToMix(choices)),
    sample,
    prior,
    objectives,
    population,
    generations,
    seed,
    measures: measure,
    onGeneration,
  };
}
