/**
 * What each choice of a quantization may be: one check a key.
 * It exists as a table so that calls, files of options and lists of known keys cannot tell different things.
 * Single values only: what goes with what is for configuration.ts.
 */
import { type BlobData, type CalibrationInput, isCalibration, OBSERVERS } from './calibration.js';
import {
  checkBoolean,
  checkChoice,
  checkList,
  checkObject,
  checkString,
  checkText,
  checkWholeNumber,
  unexpected,
} from './check.js';
import type { OpenOptions, PlanOptions } from './plan-options.js';
import {
  BITS,
  CONTAINERS,
  DEQUANTIZED_TYPES,
  FLOAT_TYPES,
  GROUP_SIZES,
  LAYER_KINDS,
  type LayerOverride,
  METHODS,
  MODES,
  OUTPUT_FORMATS,
  SCHEMES,
  STRATEGIES,
} from './types.js';

type Check<T> = (value: unknown, key: string) => T | undefined;

/** `none` leaves tensors as they are. */
const BITS_OR_NONE = [...BITS, 'none'] as const;

const OPEN_CHECKS = {
  key: (value, key) => (value === null ? null : checkString(value, key)),
  stripPrefix: checkString,
} satisfies Readonly<Record<keyof OpenOptions, Check<unknown>>>;

const PLAN_CHECKS = {
  dequantize: (value, key) => (value === null ? null : choiceOf(DEQUANTIZED_TYPES)(value, key)),
  bits: choiceOf(BITS_OR_NONE),
  mode: choiceOf(MODES),
  dynamic: checkBoolean,
  weightsOnly: checkBoolean,
  static: checkBoolean,
  calibration: checkCalibration,
  observer: choiceOf(OBSERVERS),
  percentile: checkPercentile,
  inputScheme: choiceOf(SCHEMES),
  scheme: choiceOf(SCHEMES),
  strategy: choiceOf(STRATEGIES),
  groupSize: choiceOf(GROUP_SIZES),
  method: choiceOf(METHODS),
  floatType: choiceOf(FLOAT_TYPES),
  format: choiceOf(OUTPUT_FORMATS),
  container: choiceOf(CONTAINERS),
  duplicateTies: checkBoolean,
  layers: checkLayers,
  ignore: (value, key) => checkList(value, key, checkText),
  defaultIgnore: checkBoolean,
  overrides: (value, key) => checkList(value, key, checkOverride),
  minElements: (value, key) => checkWholeNumber(value, key, 0),
} satisfies Readonly<Record<keyof PlanOptions, Check<unknown>>>;

const OVERRIDE_CHECKS = {
  bits: choiceOf(BITS_OR_NONE),
  scheme: choiceOf(SCHEMES),
  groupSize: choiceOf(GROUP_SIZES),
  method: choiceOf(METHODS),
} satisfies Readonly<Record<keyof Omit<LayerOverride, 'pattern'>, Check<unknown>>>;

const CHECKS = { ...OPEN_CHECKS, ...PLAN_CHECKS };

export const OPEN_KEYS = Object.keys(OPEN_CHECKS);
export const PLAN_KEYS = Object.keys(PLAN_CHECKS);

/** Choices that a caller made, each of them possible; what was not chosen is not there. */
export type Choices = {
  readonly [Key in keyof typeof CHECKS]?: Exclude<ReturnType<(typeof CHECKS)[Key]>, undefined>;
};

/** Looks at the keys of the tables only. `nameOf` says how messages call a key. */
export function checkChoices(
  given: Readonly<Record<string, unknown>>,
  nameOf = (key: string) => key,
): Choices {
  return checked(CHECKS, given, nameOf) as Choices;
}

function checked(
  checks: Readonly<Record<string, Check<unknown>>>,
  given: Readonly<Record<string, unknown>>,
  nameOf: (key: string) => string,
): Readonly<Record<string, unknown>> {
  const values = Object.entries(checks).map(([key, check]) => [
    key,
    check(given[key], nameOf(key)),
  ]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function choiceOf<T extends string | number>(choices: readonly T[]): Check<T> {
  return (value, key) => checkChoice(value, key, choices);
}

/** One input or several; files that are not there are noticed where they are opened. */
function checkCalibration(value: unknown, key: string): readonly CalibrationInput[] | undefined {
  if (value === undefined) return undefined;
  return checkList(Array.isArray(value) ? value : [value], key, checkInput);
}

function checkInput(value: unknown, key: string): CalibrationInput {
  if (typeof value === 'string' && value !== '') return value;
  if (value instanceof URL || isCalibration(value) || isBlob(value)) return value;
  throw unexpected('a file or a calibration', key, value);
}

function isBlob(value: unknown): value is BlobData {
  return typeof value === 'object' && value !== null && 'arrayBuffer' in value && 'size' in value;
}

function checkPercentile(value: unknown, key: string): number | undefined {
  if (value === undefined || (typeof value === 'number' && value > 50 && value <= 100))
    return value;
  throw unexpected('a number above 50, at most 100,', key, value);
}

function checkLayers(value: unknown, key: string) {
  const layers = checkList(value, key, choiceOf(LAYER_KINDS));
  if (layers?.length === 0) throw unexpected('at least one layer kind', key, layers);
  return layers;
}

function checkOverride(element: unknown, key: string): LayerOverride {
  const given = checkObject(element, key, ['pattern', ...Object.keys(OVERRIDE_CHECKS)]);
  const pattern = checkText(given.pattern, `${key}.pattern`);
  if (pattern === undefined) throw unexpected('a pattern', `${key}.pattern`, undefined);
  return { pattern, ...checked(OVERRIDE_CHECKS, given, (name) => `${key}.${name}`) };
}
