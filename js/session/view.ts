/**
 * How a file is opened in a worker: what is read of it, and what is seen of tensors that are stored as codes.
 */
import type { Opening } from '../api/options.js';
import type { Configuration } from '../api/types.js';
import type { OpenOptions } from '../engine/wasm.js';
import type { OpenedModel } from './workplace.js';

/** What a file that was written by a program is opened as. */
export const WHOLE: Opening = { key: null, stripPrefix: '' };

/**
 * What is seen of tensors that are stored as codes: these, or, joined, the values that they stand for; then it may be
 * an error if some are in an unknown layout, or if they have a problem, too.
 */
export type View = 'raw' | 'joined' | 'unknown' | 'unsound';

/** Whether an output is made of what codes stand for, and not of these. */
export function takesValues({
  dequantize,
  requantize,
}: Pick<Configuration, 'dequantize' | 'requantize'>): boolean {
  return dequantize !== null || requantize;
}

export function viewOf(
  { beside }: OpenedModel<unknown>,
  { key, stripPrefix }: Opening,
  view: View,
): OpenOptions {
  return {
    ...(key === null ? {} : { key }), // null means the largest state dict, for which the engine has no word
    stripPrefix,
    joinQuantized: view !== 'raw',
    ...(view === 'unknown' || view === 'unsound' ? { refuses: view } : {}),
    ...beside.facts,
  };
}
