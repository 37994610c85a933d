/**
 * What is said, and what code the process ends with, when something went wrong.
 * It exists so that every error leaves through one door, as text for people or as JSON for programs.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { printable } from '../../js/words/printable.js';
import { EXIT_CODES, USAGE_EXIT } from '../exit-codes.js';
import { inFlagWords } from './flag-words.js';
import type { Screen } from './screen.js';
import { wrap } from './text.js';

export { USAGE_EXIT };

/** What the codes mean, for people. */
export const EXIT_STATUS: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'done'],
  [1, 'unexpected: a defect, or no engine'],
  [USAGE_EXIT, 'usage or configuration'],
  [3, 'nothing to quantize, or weights that cannot be'],
  [4, 'a quality gate, a warning with --strict, or a file that is not valid'],
  [5, 'input or output'],
  [130, 'interrupted'],
];

/** A mistake in what was typed. */
export function usageError(message: string, suggestion?: string): MonoquantError {
  return new MonoquantError('invalid-options', message, { suggestion });
}

/** Anything that was thrown, as the package's own error, in the words of the command line. */
export function asMonoquantError(thrown: unknown): MonoquantError {
  if (thrown instanceof MonoquantError) return inFlagWords(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new MonoquantError('internal', message, {
    suggestion: 'This is a defect of monoquant itself; --verbose shows where it happened.',
    cause: thrown,
  });
}

export function exitCodeOf(error: MonoquantError): number {
  return EXIT_CODES[error.code];
}

/** The document that `--json` prints instead of a result. */
export function failureDocument(failure: MonoquantError): object {
  const { code, message, suggestion, tensor, offset } = failure;
  return { error: { code, message, suggestion, tensor, offset } };
}

/** Where it happened is shown only on request, and never for a mistake in what was typed. */
export function printFailure(error: MonoquantError, screen: Screen, verbose: boolean): void {
  const prefix = 'monoquant: ';
  const { message, suggestion } = error;
  const texts = (suggestion === undefined ? [message] : [message, suggestion]).map(printable);
  if (screen.annotate !== undefined) screen.annotate('error', texts.join('\n'));
  else {
    const [first, ...others] = texts.map((text) => wrap(text, screen.columns(), prefix.length));
    const lines = [`${screen.paint('red', prefix.trimEnd())} ${first}`];
    for (const text of others) lines.push(' '.repeat(prefix.length) + text);
    screen.write(`${lines.join('\n')}\n`);
  }
  const isTold = verbose && exitCodeOf(error) !== USAGE_EXIT;
  if (isTold) screen.write(`${screen.paint('dim', stackOf(error))}\n`);
}

/** The whole chain of causes. Lines end between the message and the places only: a message may say anything. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const { message, stack = String(error), cause } = error;
  const begin = stack.indexOf(message);
  const end = begin < 0 ? 0 : begin + message.length;
  const places = stack.slice(end).split('\n').map(printable);
  const text = [printable(stack.slice(0, end)) + places[0], ...places.slice(1)].join('\n');
  return cause === undefined ? text : `${text}\ncaused by ${stackOf(cause)}`;
}
