/**
 * The package's `merge`: parts of an output that several machines have made become one.
 */
import type { MergeOptions } from '../js/api/options.js';
import type { QuantizeResult } from './file-types.js';
import { mergeWith } from './merging.js';

/** Writes an output from all its parts, which stay as they are. */
export function merge(
  parts: readonly (string | URL)[],
  options: MergeOptions,
): Promise<QuantizeResult> {
  return mergeWith(undefined, parts, options);
}
