/**
 * The two file names that some commands take.
 * It exists so that one too few or too many is told alike.
 * Names of outputs say what kind of file they become.
 */

import { formatPlural } from '../../js/words/format.js';
import { usageError } from './failure.js';

/** `what` they are, such as "a model and an output". */
export function twoFiles(
  operands: readonly string[],
  what: string,
  example: string,
): readonly [string, string] {
  const [first, second, ...others] = operands;
  if (first === undefined || second === undefined || others.length > 0) {
    throw usageError(
      `Expected ${what} but received ${formatPlural(operands.length, 'file')}.`,
      `For example: ${example}`,
    );
  }
  return [first, second];
}

/** A model, and an output, which may also be named by a flag or, if nothing else names one, by a configuration. */
export function modelAndOutput(
  operands: readonly string[],
  flag: string | undefined,
  config: string | undefined,
  example: string,
): { readonly model: string; readonly output: string } {
  const named = flag ?? (operands.length === 1 ? config : undefined);
  const both = named === undefined ? operands : [...operands, named];
  const [model, output] = twoFiles(both, 'a model and an output', example);
  return { model, output };
}
