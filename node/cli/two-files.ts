/**
 * The two file names that some commands take.
 * It exists so that one too few or too many is told alike.
 * Names of outputs say what kind of file they become.
 */

import { containerOf } from '../../js/api/options.js';
import { formatPlural } from '../../js/words/format.js';
import { namesFolder } from '../output-folder.js';
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

/** A model, and an output: a folder, or a file whose ending is that of a kind of file. */
export function modelAndOutput(
  operands: readonly string[],
  example: string,
): { readonly model: string; readonly output: string } {
  const [model, output] = twoFiles(operands, 'a model and an output', example);
  if (containerOf(output) === undefined && !namesFolder(output, model)) {
    throw usageError(
      `Expected an output that ends in .safetensors, .pt, .pth, .bin or .ckpt, or a folder (ending in /), but received "${output}".`,
      'The ending says what kind of file is written.',
    );
  }
  return { model, output };
}
