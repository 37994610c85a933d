/**
 * From what each tensor would lose, and a budget, to which setting each one gets.
 */
import { type Budget, budgetOf } from '../api/budget.js';
import { MonoquantError } from '../api/errors.js';
import type { Mix, MixPart } from '../api/mix.js';
import type { Sensitivity } from '../api/sensitivity.js';
import { option, say } from '../api/sentence.js';
import type { SizeCurve } from '../api/size-curve.js';
import type { Configuration, PlannedTensor } from '../api/types.js';
import type { Allocation, DecisionTable, Prior } from '../engine/decisions.js';
import type { TensorChoices } from '../engine/engine-options.js';
import { withBudgetReasons } from './budget-reasons.js';
import { mixed } from './sensitivity.js';

/** What the engine and the model are asked for. */
export interface BudgetHost {
  measured(): Promise<Sensitivity>;
  priorsOf(names: readonly string[]): Promise<readonly Prior[]>;
  allocate(table: DecisionTable, budgetBytes: number): Promise<Allocation>;
  /** Of the output with these choices. */
  sizeOf(choices: readonly TensorChoices[]): Promise<number>;
  /** Of the catalog, in its order. */
  namesOf(): Promise<readonly { readonly name: string }[]>;
}

/** What all budgets would come to. */
export async function sizeCurveOf(
  host: Pick<BudgetHost, 'measured' | 'priorsOf'> & {
    curveOf(table: DecisionTable): Promise<readonly (readonly [bytes: number, error: number])[]>;
  },
): Promise<SizeCurve> {
  const table = await host.measured();
  const priors = await host.priorsOf(table.tensors.map(({ name }) => name));
  const decisions = decisionsOf(table, priors);
  const { version, sourceBytes, fixedBytes, settings } = table;
  const uniform = uniformPoints(table, decisions).flatMap(({ setting, ...point }) => {
    const found = settings[setting];
    return found === undefined ? [] : [{ ...found, ...point }];
  });
  const curve = table.sets.length === 0 ? [] : await host.curveOf(decisions);
  const mixed = curve.map(([bytes, score]) => ({ bytes, score }));
  return { version, sourceBytes, fixedBytes, weights: weightsOf(table), uniform, mixed };
}

/** Less is within what such scores can tell: then all layers alike are as good, and simpler. */
export const LEAST_GAIN = 0.1;

/** Headers grow and shrink with the names of what is stored: a few bytes too many are taken off the budget. */
const MOST_TRIES = 8;

/** Which setting each tensor gets, so that the output stays within the budget and the sum of the errors is smallest. */
export async function shareBudget(
  configuration: Configuration,
  host: BudgetHost,
): Promise<SharedBudget | undefined> {
  const { budget: text, method } = configuration;
  if (text === null) return undefined;
  const budget = spokenBudget(text);
  const table = await host.measured();
  if (table.tensors.length === 0) return undefined;
  const priors = await host.priorsOf(table.tensors.map(({ name }) => name));
  const decisions = decisionsOf(table, priors);
  const budgetBytes = bytesWithin(budget, table);
  checkPossible(text, budget, budgetBytes, table, decisions);
  const indices = new Map((await host.namesOf()).map(({ name }, index) => [name, index]));
  let within = budgetBytes;
  for (let tries = 1; ; tries++) {
    const found = await host.allocate(decisions, within);
    const uniform = bestUniform(table, decisions, within);
    const isWorth = uniform === undefined || found.error < (1 - LEAST_GAIN) * uniform.score;
    const settings = isWorth
      ? settingsOf(decisions, found.choice)
      : table.sets.map(() => uniform.setting);
    const choices = mixed({ method }, choicesOf(table, settings, indices));
    const excess = budget.kind === 'bitsPerWeight' ? 0 : (await host.sizeOf(choices)) - budgetBytes;
    if (excess > 0) {
      if (tries === MOST_TRIES) throw missed(text);
      within = (isWorth ? found.bytes : uniform.bytes) - excess;
      continue;
    }
    const describe = (bytes: number): Mix => ({
      budget: text,
      bytes,
      budgetBytes,
      ...partsOf(table, settings),
      score: isWorth ? found.error : uniform.score,
      bound: found.bound,
      ...(uniform && { uniform: { label: uniform.label, score: uniform.score } }),
    });
    const named: SharedBudget['named'] = (tensors) =>
      withBudgetReasons(tensors, configuration, choices);
    return { choices, describe, named };
  }
}

function missed(text: string): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    say`No mix was found that is within ${option('budget', text)} with its header.`,
    { suggestion: say`Give a few thousand bytes more: ${option('budget')}.` },
  );
}

/** Throws if not even the smallest options fit. */
function checkPossible(
  text: string,
  { kind }: Budget,
  budgetBytes: number,
  table: Sensitivity,
  { sets, fixedBytes }: DecisionTable,
): void {
  const smallest = sets.reduce(
    (sum, { options }) => sum + Math.min(...options.map(({ bytes }) => bytes)),
    fixedBytes,
  );
  if (smallest <= budgetBytes) return;
  const bits = (Math.ceil((800 * (smallest - fixedBytes)) / weightsOf(table)) / 100).toFixed(2);
  const least = kind === 'bitsPerWeight' ? `${bits}bpw` : `${smallest}B`;
  throw new MonoquantError(
    'invalid-options',
    say`${option('budget', text)} allows ${budgetBytes} bytes, but the smallest output with the settings of ${option('format')} has ${smallest}.`,
    {
      suggestion: say`Give at least ${option('budget', least)}, or choose a ${option('format')} with fewer bits.`,
    },
  );
}

export function decisionsOf(table: Sensitivity, priors: readonly Prior[]): DecisionTable {
  const { sets, settings, tensors, fixedBytes } = table;
  const factors = factorsOf(table, priors);
  return {
    fixedBytes,
    sets: sets.map((members) => {
      const least = Math.max(...members.map((tensor) => priors[tensor]?.leastBits ?? 0));
      const options = settings.map(({ choices: { bits } }, setting) => {
        const cells = members.map((tensor) => ({
          ...(tensors[tensor]?.cells[setting] ?? { bytes: 0, error: 0 }),
          factor: factors[tensor] ?? 1,
        }));
        return {
          setting,
          bits,
          bytes: cells.reduce((sum, { bytes }) => sum + bytes, 0),
          error: cells.reduce((sum, { error, factor }) => sum + error * factor, 0),
          worst: Math.max(...cells.map(({ error }) => error)),
        };
      });
      const enough = options.filter(({ bits }) => typeof bits !== 'number' || bits >= least);
      return {
        options: (enough.length === 0 ? options : enough).map(({ bits: _, ...option }) => option),
      };
    }),
  };
}

/** How much the error of each tensor counts. */
export function factorsOf(table: Sensitivity, priors: readonly Prior[]): readonly number[] {
  const outliers = outlierFactors(table);
  return outliers.map((outlier, tensor) => (priors[tensor]?.factor ?? 1) * outlier);
}

/** More than the usual ratio of what a layer loses to what its weights lose: its largest inputs meet bad weights. */
const OUTLIER = 4;

/** How many times more than is usual a layer's outputs lose by what its weights lose; 1 where that is not known. */
function outlierFactors({ tensors, settings }: Sensitivity): readonly number[] {
  const ratios = tensors.map(({ cells }) => {
    const known = settings.flatMap((_, setting) => {
      const { error, outputError } = cells[setting] ?? { error: 0 };
      return error > 0 && outputError !== undefined ? [outputError / error] : [];
    });
    return known[Math.floor(known.length / 2)];
  });
  const sorted = ratios.filter((ratio) => ratio !== undefined).sort((a, b) => a - b);
  const usual = sorted[Math.floor(sorted.length / 2)];
  return ratios.map((ratio) => {
    if (ratio === undefined || usual === undefined || usual === 0) return 1;
    return ratio > OUTLIER * usual ? ratio / usual : 1;
  });
}

/**
 * The settings of the options that were chosen. Of those that come to the same for a set the last one: where groups of
 * 128 do not fit, a setting for all tensors gives way to smaller ones, but an override is taken at its word.
 */
export function settingsOf({ sets }: DecisionTable, choice: readonly number[]): readonly number[] {
  return sets.map(({ options }, set) => {
    const chosen = options[choice[set] ?? -1];
    const same = options.filter(
      ({ bytes, error, worst }) =>
        bytes === chosen?.bytes && error === chosen.error && worst === chosen.worst,
    );
    return same.at(-1)?.setting ?? -1;
  });
}

/** The setting with the least error that all sets can have together. */
function bestUniform(table: Sensitivity, decisions: DecisionTable, budgetBytes: number) {
  const [best] = uniformPoints(table, decisions)
    .filter(({ bytes }) => bytes <= budgetBytes)
    .sort((a, b) => a.score - b.score);
  return best && { ...best, label: table.settings[best.setting]?.label ?? '' };
}

/** Of settings that all sets can have. */
function uniformPoints({ settings }: Sensitivity, { sets, fixedBytes }: DecisionTable) {
  return settings.flatMap((_, setting) => {
    const options = sets.map((set) => set.options.find((option) => option.setting === setting));
    if (options.includes(undefined)) return [];
    const bytes = options.reduce((sum, option) => sum + (option?.bytes ?? 0), fixedBytes);
    const score = options.reduce((sum, option) => sum + (option?.error ?? 0), 0);
    return [{ setting, bytes, score }];
  });
}

/** What a budget was shared out to, and what is said of it once the size of the output is known. */
export interface SharedBudget {
  readonly choices: readonly TensorChoices[];
  readonly describe: (outputBytes: number) => Mix;
  /** Tensors of a plan, in the catalog's order, with who chose for them. */
  named<Tensor extends Pick<PlannedTensor, 'name' | 'reason'>>(
    tensors: readonly Tensor[],
  ): readonly Tensor[];
}

/** 4.25 bits are what rounds to that: tensors of shapes, a few bytes each, are not what anybody means. */
const BITS_ROUNDED = 0.005;

/** What the whole output may have at most. */
export function bytesWithin(budget: Budget, table: Sensitivity): number {
  switch (budget.kind) {
    case 'bytes':
      return budget.value;
    case 'share':
      return Math.floor(budget.value * table.sourceBytes);
    case 'bitsPerWeight':
      return Math.floor(table.fixedBytes + ((budget.value + BITS_ROUNDED) * weightsOf(table)) / 8);
  }
}

/** Of a text that was checked. */
export function spokenBudget(text: string): Budget {
  const budget = budgetOf(text);
  if (budget === undefined) throw new MonoquantError('internal', 'That is no budget.');
  return budget;
}

function weightsOf({ tensors }: Sensitivity): number {
  return tensors.reduce((sum, { elements }) => sum + elements, 0);
}

/** Tensors that have the same setting, with what it says. */
function choicesOf(
  table: Sensitivity,
  settings: readonly number[],
  indices: ReadonlyMap<string, number>,
): readonly TensorChoices[] {
  const members = membersOf(table, settings);
  return table.settings.flatMap(({ choices }, setting) => {
    const chosen = members[setting] ?? [];
    if (chosen.length === 0) return [];
    const tensors = chosen.map((tensor) => indices.get(table.tensors[tensor]?.name ?? '') ?? -1);
    return [{ ...choices, tensors: tensors.sort((a, b) => a - b) }];
  });
}

/** The tensors that have each setting; `settings`: of each set. */
function membersOf(
  table: Sensitivity,
  settings: readonly number[],
): readonly (readonly number[])[] {
  const members: number[][] = table.settings.map(() => []);
  for (const [set, tensors] of table.sets.entries()) members[settings[set] ?? -1]?.push(...tensors);
  return members;
}

function partsOf(
  table: Sensitivity,
  chosen: readonly number[],
): Pick<Mix, 'parts' | 'bitsPerWeight'> {
  const { settings, tensors } = table;
  const parts = membersOf(table, chosen).map((members, setting): MixPart => {
    const sum = (of: (tensor: number) => number) => members.reduce((all, one) => all + of(one), 0);
    return {
      label: settings[setting]?.label ?? '',
      tensors: members.length,
      weights: sum((one) => tensors[one]?.elements ?? 0),
      bytes: sum((one) => tensors[one]?.cells[setting]?.bytes ?? 0),
    };
  });
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return {
    bitsPerWeight: (8 * bytes) / weightsOf(table),
    parts: parts.filter((part) => part.tensors > 0).sort((a, b) => b.weights - a.weights),
  };
}
