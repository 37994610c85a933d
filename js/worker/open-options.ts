/**
 * What the engine is told about the part of a file that is meant.
 * It exists because every call that opens a model begins with it.
 * Null means the largest state dict, for which the engine has no word.
 */
import type { ModelClass } from '../api/model-config.js';
import type { Opening } from '../api/options.js';
import type { OpenOptions } from '../engine/wasm.js';

export function openOptions(
  { key, stripPrefix }: Opening,
  joinQuantized = false,
  modelClass?: ModelClass,
): OpenOptions {
  return {
    ...(key === null ? {} : { key }),
    stripPrefix,
    joinQuantized,
    ...(modelClass === undefined ? {} : { modelClass }),
  };
}
