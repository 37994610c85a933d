/**
 * A search for the best choices of bits: measure, search, and encode what is shown.
 */

import { unexpected } from '../api/check.js';
import {
  FRONT_FORMAT,
  FRONT_VERSION,
  type Front,
  type FrontPoint,
  type Losses,
  type MeasuredLosses,
  overridesOf,
  type SearchProgress,
} from '../api/front.js';
import type { RunOptions } from '../api/options.js';
import type { SearchRequest } from '../api/search-options.js';
import type { Sensitivity } from '../api/sensitivity.js';
import type { Configuration, Report } from '../api/types.js';
import type { Found, FoundPoint, Prior, SearchSettings, SearchTable } from '../engine/decisions.js';
import { agreementOf, gainOf, shownOf } from '../report/front.js';
import { decisionsOf, factorsOf, settingsOf } from './budget.js';
import { errorOf } from './losses.js';
import { partOf } from './sensitivity.js';

/** What the model and the engine are asked for. */
export interface SearchHost {
  measured(run: RunOptions): Promise<Sensitivity>;
  priorsOf(names: readonly string[]): Promise<readonly Prior[]>;
  begin(table: SearchTable, settings: SearchSettings): Promise<SearchProgress>;
  step(): Promise<SearchProgress>;
  end(): Promise<Found>;
  /** Encodes all of the model with these choices beside the configuration's own. */
  encoded(configuration: Configuration, run: RunOptions): Promise<Encoded>;
}

export interface Encoded {
  readonly report: Report;
  /** Squared errors of outputs by squared outputs, of tensors whose layers were executed on captured inputs. */
  readonly executed?: ReadonlyMap<string, number> | undefined;
}

/** Points that are encoded, and that text and pages show. */
export const MOST_SHOWN = 12;

export async function searchFront(request: SearchRequest, host: SearchHost): Promise<Front> {
  const { run, base, objectives, population, seed } = request;
  const table = await host.measured({ ...run, ...partOf(run.onProgress, 0, 2) });
  const priors = await host.priorsOf(table.tensors.map(({ name }) => name));
  const decisions = searchTableOf(table, priors);
  if (objectives.includes('time')) {
    throw unexpected(
      'error, worst or bytes (nothing has measured times)',
      'objectives',
      objectives,
    );
  }
  if (decisions.sets.length === 0) {
    throw unexpected('a model with tensors that can have codes', 'model', 0);
  }
  const progress = [await host.begin(decisions, { objectives, population, seed: String(seed) })];
  for (let generation = 0; generation < request.generations; generation++) {
    run.signal?.throwIfAborted();
    const after = await host.step();
    request.onGeneration?.(after);
    progress.push(after);
  }
  const { front, dominated } = await host.end();
  const found = frontOf(request, table, decisions, front);
  const points = request.measures
    ? await measuredPoints(request, found, priors, table, host)
    : found.points;
  const gain = ['error', 'bytes'].every((each) => objectives.some((one) => one === each))
    ? gainOf(points)
    : undefined;
  const agreement = agreementOf(points);
  return {
    format: FRONT_FORMAT,
    formatVersion: FRONT_VERSION,
    version: table.version,
    seed,
    population,
    objectives,
    base,
    ...found,
    generations: progress,
    points,
    dominated: dominated.map(lossesOf),
    ...(gain && { gain }),
    ...(agreement && { agreement }),
  };
}

/** What the engine searches, and each setting for all tensors to begin with. */
export function searchTableOf(table: Sensitivity, priors: readonly Prior[]): SearchTable {
  const decisions = decisionsOf(table, priors);
  const presets = table.settings.flatMap(({ label }, setting) => {
    const choice = decisions.sets.map(({ options }) =>
      options.findIndex((option) => option.setting === setting),
    );
    return choice.includes(-1) ? [] : [{ label, choice }];
  });
  return { ...decisions, presets };
}

type Searched = Pick<
  Front,
  'sample' | 'settings' | 'sets' | 'weights' | 'sourceBytes' | 'presets' | 'points'
>;

function frontOf(
  { objectives }: SearchRequest,
  table: Sensitivity,
  decisions: SearchTable,
  front: Found['front'],
): Searched {
  const { sample, settings, tensors, sourceBytes } = table;
  const weights = tensors.reduce((sum, { elements }) => sum + elements, 0);
  const { sets, presets, fixedBytes } = decisions;
  const labels = new Map(
    presets.map(({ label, choice }) => [settingsOf(decisions, choice).join(), label]),
  );
  const points = front.map((point, index): FrontPoint => {
    const choice = settingsOf(decisions, point.choice);
    const preset = labels.get(choice.join());
    return {
      number: index + 1,
      ...lossesOf(point),
      ...(objectives.includes('time') && { time: point.time }),
      bitsPerWeight: (8 * (point.bytes - fixedBytes)) / weights,
      hullError: point.hull,
      choice,
      ...(preset !== undefined && { preset }),
    };
  });
  return {
    sample,
    settings,
    sets: table.sets.map((members) => members.map((tensor) => tensors[tensor]?.name ?? '')),
    weights,
    sourceBytes,
    presets: presets.map(({ label, choice }) => {
      const chosen = choice.map((option, set) => sets[set]?.options[option]);
      const sum = (of: (option: NonNullable<(typeof chosen)[number]>) => number) =>
        chosen.reduce((all, option) => all + (option === undefined ? 0 : of(option)), 0);
      return {
        label,
        bytes: fixedBytes + sum(({ bytes }) => bytes),
        error: sum(({ error }) => error),
        worst: Math.max(...chosen.map((option) => option?.worst ?? 0)),
      };
    }),
    points,
  };
}

function lossesOf({ bytes, error, worst }: FoundPoint): Losses {
  return { bytes, error, worst };
}

/** The points, and of those that are shown what encoding all of the model with them shows. */
async function measuredPoints(
  { base, run }: SearchRequest,
  found: Searched,
  priors: readonly Prior[],
  table: Sensitivity,
  host: SearchHost,
): Promise<readonly FrontPoint[]> {
  const counted = factorsOf(table, priors);
  const factors = new Map(table.tensors.map(({ name }, index) => [name, counted[index] ?? 1]));
  const counts = new Map(
    table.tensors.map(({ name }, index) => [name, priors[index]?.factor ?? 1]),
  );
  const shown = shownOf(
    found.points.length,
    MOST_SHOWN,
    (index) => found.points[index]?.preset !== undefined,
  );
  const points = [...found.points];
  for (const [done, index] of shown.entries()) {
    const point = points[index];
    if (point === undefined) continue;
    const overrides = [...(overridesOf({ ...found, base }, point.number) ?? []), ...base.overrides];
    const onProgress = partOf(run.onProgress, shown.length + done, 2 * shown.length);
    const encoded = await host.encoded({ ...base, overrides }, { ...run, ...onProgress });
    points[index] = { ...point, measured: measuredLosses(encoded, factors, counts) };
  }
  return points;
}

/** `factors`: how much errors of weights count; `counts`: errors of outputs, which need no guess at what is large. */
function measuredLosses(
  { report: { sizes, tensors }, executed }: Encoded,
  factors: ReadonlyMap<string, number>,
  counts: ReadonlyMap<string, number>,
): MeasuredLosses {
  const losses = tensors.flatMap(({ name, sqnrDb }) => {
    const factor = factors.get(name);
    return factor === undefined ? [] : [{ loss: errorOf(sqnrDb), factor }];
  });
  return {
    bytes: sizes.outputBytes,
    error: losses.reduce((sum, { loss, factor }) => sum + loss * factor, 0),
    worst: Math.max(0, ...losses.map(({ loss }) => loss)),
    ...(executed !== undefined && executed.size > 0 && executedLoss(executed, counts)),
  };
}

function executedLoss(executed: ReadonlyMap<string, number>, counts: ReadonlyMap<string, number>) {
  const errors = [...executed].map(([name, error]) => (counts.get(name) ?? 0) * error);
  return { outputError: errors.reduce((sum, error) => sum + error, 0) };
}
