/**
 * The file of `--config`: the choices of a run as JSON, or a report, whose configuration is taken.
 * It exists so that any run can be repeated, and changed by a few flags. Every mistake in the file names it and the key.
 */
import { readFileSync } from 'node:fs';
import { checkObject } from '../../js/api/check.js';
import { ownChoices } from '../../js/api/configuration.js';
import { MonoquantError } from '../../js/api/errors.js';
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

/** What the file at `path` says, or nothing without a path. `ofRun`: the options of the command besides choices. */
export function readConfig<const Run extends Entries>(
  path: string | undefined,
  ofRun: Run,
): Config<Run> {
  if (path === undefined) return { choices: {}, run: {} };
  const what = JSON.stringify(path);
  const document = checkObject(parse(path, what), what);
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

function parse(path: string, what: string): unknown {
  const bytes = readBytes(path, what);
  try {
    return parseGiven(bytes);
  } catch (error) {
    throw usageError(
      `Expected JSON in ${what} but ${reasonOf(error)}.`,
      'A configuration is a JSON object of options, or a report that --report has written.',
    );
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
