/**
 * What a caller of `sensitivity` may ask for, and the settings that follow from it.
 */
import type { CalibrationInput } from './calibration.js';
import { contradiction } from './check.js';
import { configurationOf, openingOf, ownChoices } from './configuration.js';
import { formatOf, isGgufFormat } from './gguf-format.js';
import { RUN, SENSITIVITY } from './option-table/calls.js';
import { checkOptions, type Inputs } from './option-table/entry.js';
import { formatFactsOf } from './option-table/format.js';
import { CHOICES, OPTIONS } from './option-table/table.js';
import { EVERY, keysOf, type Opening, type RunOptions } from './options.js';
import type { Choices, Configuration, OpenOptions, PlanOptions } from './plan-options.js';
import { areCodes, type CodeBits, type GroupSize } from './schemes.js';
import type { LayerChoices, SensitivitySetting } from './sensitivity.js';
import { option, say } from './sentence.js';

/** How tensors are measured: a plan, whose bits are those that are asked about. */
export interface SensitivityOptions
  extends PlanOptions,
    OpenOptions,
    RunOptions,
    Inputs<typeof SENSITIVITY> {}

export interface SensitivityRequest {
  readonly run: RunOptions;
  readonly opening: Opening;
  readonly calibration: readonly CalibrationInput[];
  /** What settings are changes of: weights alone are quantized, all of them that can be. */
  readonly base: Configuration;
  readonly settings: readonly SensitivitySetting[];
  /** 0: all values. */
  readonly sample: number;
  /** With what smaller groups would bring, beside the settings; undefined: not asked about, or there are none. */
  readonly finer?: SensitivitySetting | undefined;
  /** Whether outputs are looked at as well: for outliers, and to execute layers. */
  readonly examines?: boolean;
  /** What is other than in the engine's table of places. */
  readonly prior: object | null;
}

/** `settingsFor`: which settings there are to choose from. */
export function resolveSensitivity(
  options: SensitivityOptions,
  settingsFor: (choices: Choices) => readonly LayerChoices[] = everyWidth,
): SensitivityRequest {
  const given = keysOf(options, CHOICES, SENSITIVITY, ...EVERY);
  const { sample = 0 } = checkOptions(SENSITIVITY, given);
  const { prior = null, ...choices } = checkOptions(OPTIONS, given);
  return {
    run: checkOptions(RUN, given),
    opening: openingOf(given),
    calibration: choices.calibration ?? [],
    base: baseOf(choices),
    settings: labelled(choices, settingsFor(choices)),
    sample,
    prior,
  };
}

/** With all that `sensitivity` tells: outliers and executed layers, unless only samples are looked at. */
export function resolveWholeSensitivity(options: SensitivityOptions): SensitivityRequest {
  const request = resolveSensitivity(options);
  if (request.sample !== 0 || request.base.container === 'gguf') return request;
  const { settings, base } = request;
  const setting = settings[examinedSetting(settings)];
  const finer = setting && finerThan(setting.choices, ownChoices(base));
  return { ...request, examines: true, finer };
}

/** Whose outliers are told: that of 4 bits, or of the fewest. */
export function examinedSetting(settings: readonly SensitivitySetting[]): number {
  const four = settings.findIndex(({ choices }) => choices.bits === 4);
  return four >= 0 ? four : settings.findIndex(({ choices }) => areCodes(choices.bits));
}

const FINE_GROUP = 32;

/** Undefined if groups are as small already, or the format has none of that size. */
function finerThan(setting: LayerChoices, choices: Choices): SensitivitySetting | undefined {
  const { groupSize } = setting;
  const { groupSize: sizes } = formatFactsOf(formatOf(choices)).holds?.(4) ?? {};
  const isHeld = sizes === undefined || sizes.includes(FINE_GROUP);
  if (groupSize === undefined || (groupSize !== -1 && groupSize <= FINE_GROUP) || !isHeld) return;
  return { label: `groups of ${FINE_GROUP}`, choices: { ...setting, groupSize: FINE_GROUP } };
}

/** Activations stay as they are, as within a budget: else an error would be of both. */
export function baseOf(choices: Choices): Configuration {
  if (isUniform(choices)) return configurationOf({ ...choices });
  return { ...configurationOf({ ...choices, budget: choices.budget ?? '4bpw' }), budget: null };
}

function isUniform(choices: Choices): boolean {
  return formatFactsOf(formatOf(choices)).isUniform === true;
}

/** Settings for a mix; throws where a format knows none. */
export function settingsToMix(choices: Choices): readonly LayerChoices[] {
  if (!isUniform(choices)) return settingsWithin(choices);
  throw contradiction(
    say`All layers have the same bits in ${option('format', formatOf(choices))}: there is nothing to choose from.`,
    say`Choose another ${option('format')}.`,
  );
}

/** Of each tensor: next to nothing is lost by not looking at more. */
const BUDGET_SAMPLE = 1 << 18;

/** What is measured before a budget is shared out. */
export function settingsOfBudget(base: Configuration, run: RunOptions): SensitivityRequest {
  const { key, stripPrefix } = base;
  const choices = ownChoices(base);
  return {
    run,
    opening: { key, stripPrefix },
    calibration: [],
    base: { ...base, budget: null },
    settings: labelled(choices, settingsWithin(choices)),
    sample: BUDGET_SAMPLE,
    prior: base.prior,
  };
}

export function labelled(
  choices: Choices,
  settings: readonly LayerChoices[],
): readonly SensitivitySetting[] {
  return settings.map((setting) => ({ label: labelOf(setting, choices), choices: setting }));
}

const WIDTHS = [2, 3, 4, 5, 6, 8] as const satisfies readonly CodeBits[];

/** The bits that a format has room for, in the groups that were asked for, and floats. */
export function everyWidth(choices: Choices): readonly LayerChoices[] {
  const widths = widthsOf(choices).map((bits) => ({ bits, ...groupOf(choices) }));
  return [...widths, { bits: 16 }];
}

function widthsOf(choices: Choices): readonly CodeBits[] {
  const { holds } = formatFactsOf(formatOf(choices));
  const { bits = WIDTHS } = holds?.(4) ?? {};
  return WIDTHS.filter((each) => bits.includes(each));
}

/** The usual size of groups is too large for the small matrices of many models. */
const USUAL_GROUP = 64;

function groupOf(choices: Choices): { readonly groupSize?: GroupSize } {
  const format = formatOf(choices);
  if (isGgufFormat(format) || format === 'bitsandbytes' || format === 'comfyui') return {};
  const { groupSize = formatFactsOf(format).groupSize ?? USUAL_GROUP } = choices;
  return { groupSize };
}

/**
 * What the loaders of a format compute with, from small to large; `auto` groups of several sizes where the format has
 * them.
 */
export function settingsWithin(choices: Choices): readonly LayerChoices[] {
  const format = formatOf(choices);
  if (isGgufFormat(format)) return everyWidth(choices);
  const { groupSize, scheme } = choices;
  const { holds } = formatFactsOf(format);
  const { groupSize: sizes = [128, 64, 32] as readonly GroupSize[] } = holds?.(4) ?? {};
  const groups = groupSize === undefined ? sizes.filter((size) => size <= 128) : [groupSize];
  const ofScheme = scheme === undefined ? {} : { scheme };
  const widths = format === 'compressed-tensors' ? ([4, 8] as const) : widthsOf(choices);
  const coded = widths.flatMap((bits) => {
    const ways = format === 'compressed-tensors' && bits === 8 ? ([-1] as const) : groups;
    return ways.map((size) => ({ bits, groupSize: size, ...ofScheme }));
  });
  return [...coded, { bits: 16 }];
}

/** "4 bits, groups of 64". */
export function labelOf({ bits, groupSize, scheme }: LayerChoices, choices: Choices): string {
  if (!areCodes(bits)) return bits === 16 ? '16 bits' : 'as it is';
  if (isGgufFormat(formatOf(choices))) {
    // Of one tensor, not of a mixture.
    return formatOf({ bits, container: 'gguf' }).replace(/_[SM]$/, '');
  }
  const size =
    groupSize === undefined ? '' : groupSize === -1 ? ', per channel' : `, groups of ${groupSize}`;
  return `${bits} bits${size}${scheme === 'asymmetric' ? ', asymmetric' : ''}`;
}
