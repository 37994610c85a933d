/**
 * The file of `--config`: the choices of a run as JSON, or a report, whose configuration is taken.
 * It exists so that any run can be repeated, and changed by a few flags.
 * Flags win, key by key; lists take the place of the file's. Every mistake in the file names it and the key.
 */
import { readFileSync } from 'node:fs';
import { checkObject } from '../../js/api/check.js';
import { ownChoices } from '../../js/api/configuration.js';
import { MonoquantError } from '../../js/api/errors.js';
import { type Choices, checkChoices, OPEN_KEYS, PLAN_KEYS } from '../../js/api/option-checks.js';
import { InputFile } from '../input-file.js';
import { reasonOf } from '../reason.js';
import { usageError } from './failure.js';

/** More than any configuration with all its patterns; a model given by mistake is not read whole. */
const MOST_BYTES = 64 * 1024 * 1024;

const MODE_KEYS = [
  'mode',
  'dynamic',
  'weightsOnly',
  'static',
] as const satisfies readonly (keyof Choices)[];

/** What is said about stored scales of activations. */
const STATIC_KEYS = [
  'observer',
  'percentile',
  'inputScheme',
] as const satisfies readonly (keyof Choices)[];

/** What was chosen for the file's bits: with other bits it falls back to their defaults. */
const FOLLOWING_BITS: readonly (keyof Choices)[] = [
  ...MODE_KEYS,
  'strategy',
  'groupSize',
  'method',
  ...STATIC_KEYS,
];

/** The choices in the file at `path`, or none without a path. */
export function readConfig(path: string | undefined): Choices {
  if (path === undefined) return {};
  const what = JSON.stringify(path);
  const document = checkObject(parse(path, what), what);
  const isReport = Object.hasOwn(document, 'configuration');
  const where = isReport ? `the configuration in ${what}` : what;
  const keys = [...OPEN_KEYS, ...PLAN_KEYS];
  const given = checkObject(isReport ? document.configuration : document, where, keys);
  return ownChoices(checkChoices(given, (key) => `"${key}" in ${what}`));
}

/** The file's choices and those of the flags together, as they would have been typed at once. */
export function withFlags(file: Choices, flags: Choices): Choices {
  const dropped = contradicted(file, flags);
  const kept = Object.entries(file).filter(([key]) => !dropped.some((name) => name === key));
  return { ...Object.fromEntries(kept), ...flags };
}

/** Choices of the file that have no meaning beside those of the flags. */
function contradicted(file: Choices, flags: Choices): (keyof Choices)[] {
  const bits = flags.bits ?? file.bits ?? 8;
  const overrides = flags.overrides ?? file.overrides ?? [];
  const changesBits = file.bits !== undefined && file.bits !== bits;
  const writesFloats = bits === 16 || overrides.some((override) => override.bits === 16);
  const hasGroups = flags.strategy === 'group';
  const dropped: (keyof Choices)[] = [];
  if (MODE_KEYS.some((key) => flags[key] !== undefined)) dropped.push(...MODE_KEYS);
  if (flags.dynamic || flags.weightsOnly) dropped.push(...STATIC_KEYS);
  if (flags.groupSize !== undefined) dropped.push('strategy');
  // One scale for a channel or a tensor has no group size, and groups have one that is not -1.
  if (flags.strategy !== undefined && hasGroups === (file.groupSize === -1)) {
    dropped.push('groupSize');
  }
  if (changesBits) dropped.push(...FOLLOWING_BITS);
  if (changesBits && bits === 16) dropped.push('scheme', 'calibration');
  const changesFloats = changesBits || flags.overrides !== undefined;
  if (changesFloats && !writesFloats) dropped.push('floatType');
  return dropped;
}

function parse(path: string, what: string): unknown {
  const text = readText(path, what);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(
      `Expected JSON in ${what} but ${reasonOf(error)}.`,
      'A configuration is a JSON object of options, or a report that --report has written.',
    );
  }
}

function readText(path: string, what: string): string {
  // Opened as models are: what is missing, or is no file, is told in the same words.
  const input = InputFile.open(path);
  try {
    const { descriptor, size } = input.file;
    if (size <= MOST_BYTES) return readFileSync(descriptor, 'utf8');
    throw usageError(
      `Expected a configuration of at most ${MOST_BYTES} bytes but ${what} has ${size}.`,
      'Name a JSON file of options, or a report.',
    );
  } catch (error) {
    if (error instanceof MonoquantError) throw error;
    throw new MonoquantError('read-failed', `Could not read ${what}: ${reasonOf(error)}.`, {
      cause: error,
    });
  } finally {
    input.close();
  }
}
