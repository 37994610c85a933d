/**
 * The file of `--config`: the choices of a run as JSON, or a report, whose configuration is taken; or `front.json#7`, a
 * point of a front.
 * It exists so that any run can be repeated, and changed by a few flags. Every mistake in the file names it and the key.
 */
import { existsSync, readFileSync } from 'node:fs';
import { checkObject } from '../../js/api/check.js';
import { ownChoices } from '../../js/api/configuration.js';
import { MonoquantError } from '../../js/api/errors.js';
import { FRONT_FORMAT, type Front, overridesOf } from '../../js/api/front.js';
import { parseGiven } from '../../js/api/given-json.js';
import { checkOptions, type Entries, type Values } from '../../js/api/option-table/entry.js';
import { OPTIONS } from '../../js/api/option-table/table.js';
import type { Choices } from '../../js/api/plan-options.js';
import { withPreset } from '../../js/api/presets.js';
import { InputFile } from '../input-file.js';
import { reasonOf } from '../reason.js';
import { usageError } from './failure.js';

/** More than any configuration with all its patterns; a model given by mistake is not read whole. */
const MOST_BYTES = 64 * 1024 * 1024;

export interface Config<Run extends Entries> {
  /** What a file becomes. */
  readonly choices: Choices;
  /** All else that a run is told. */
  readonly run: Values<Run>;
}

/** What the file of this name says, or nothing without a name. `ofRun`: the options of the command besides choices. */
export function readConfig<const Run extends Entries>(
  named: string | undefined,
  ofRun: Run,
): Config<Run> {
  if (named === undefined) return { choices: {}, run: {} };
  const { path, point } = pointIn(named);
  const what = JSON.stringify(path);
  const read = checkObject(readGiven(path, HINT), what);
  const document = isFront(read) || point !== undefined ? pointOf(read, point, what) : read;
  const isReport = Object.hasOwn(document, 'configuration');
  const where = isReport ? `the configuration in ${what}` : what;
  const keys = Object.keys({ ...OPTIONS, ...ofRun });
  const given = withPreset(checkObject(isReport ? document.configuration : document, where, keys));
  const nameOf = (key: string) => `"${key}" in ${what}`;
  return {
    choices: ownChoices(checkOptions(OPTIONS, given, nameOf)),
    run: checkOptions(ofRun, given, nameOf),
  };
}

/** A file of this very name is that file. */
function pointIn(named: string): { readonly path: string; readonly point: number | undefined } {
  const [, path, digits] = /^(.+)#(\d{1,9})$/s.exec(named) ?? [];
  if (path === undefined || digits === undefined || existsSync(named)) {
    return { path: named, point: undefined };
  }
  return { path, point: Number(digits) };
}

function isFront(document: object): document is Front {
  return 'format' in document && document.format === FRONT_FORMAT;
}

/** What a point of a front is changes of, and the changes. */
function pointOf(
  document: object,
  point: number | undefined,
  what: string,
): Readonly<Record<string, unknown>> {
  if (!isFront(document)) {
    throw usageError(
      `Expected a front in ${what}, because a point of it is named, but it is none.`,
      'A front is what monoquant search -o front.json writes.',
    );
  }
  const { points, sets, settings, base } = checkFront(document, what);
  const overrides =
    point === undefined ? undefined : overridesOf({ points, sets, settings, base }, point);
  if (overrides !== undefined) return { ...base, overrides: [...overrides, ...base.overrides] };
  const numbers = points.map(({ number }) => number);
  throw usageError(
    point === undefined
      ? `Expected the number of a point, because ${what} is a front.`
      : `Expected a point from #${Math.min(...numbers)} to #${Math.max(...numbers)} in ${what} but received #${point}.`,
    `Name one of its ${numbers.length} points, as in front.json#${numbers[0] ?? 1}.`,
  );
}

/** People edit such files: what is used of it is there, and of its kind. The choices are checked as any others are. */
function checkFront({ points, sets, settings, base }: Front, what: string) {
  const isSound =
    [points, sets, settings, base?.overrides].every(Array.isArray) &&
    points.length > 0 &&
    points.every((point) => Number.isInteger(point?.number) && Array.isArray(point.choice)) &&
    sets.every((set) => Array.isArray(set) && set.every((name) => typeof name === 'string')) &&
    points.every(({ choice }) => choice.length === sets.length) &&
    points.every(({ choice }) => choice.every((setting) => isSetting(settings[setting])));
  if (isSound) return { points, sets, settings, base };
  throw usageError(
    `Expected points, sets, settings and a base in the front ${what}, but they do not fit together.`,
    'Write it again with monoquant search.',
  );
}

function isSetting(setting: unknown): boolean {
  return typeof setting === 'object' && setting !== null && 'choices' in setting;
}

const HINT = 'A configuration is a JSON object of options, or a report that --report has written.';

/** JSON that somebody has written; `hint`: what it should be. */
export function readGiven(path: string, hint: string): unknown {
  const what = JSON.stringify(path);
  const bytes = readBytes(path, what);
  try {
    return parseGiven(bytes);
  } catch (error) {
    throw usageError(`Expected JSON in ${what} but ${reasonOf(error)}.`, hint);
  }
}

function readBytes(path: string, what: string): Uint8Array<ArrayBuffer> {
  // Opened as models are: what is missing, or is no file, is told in the same words.
  const input = InputFile.open(path);
  try {
    const { descriptor, size } = input.file;
    if (size <= MOST_BYTES) return readFileSync(descriptor);
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
