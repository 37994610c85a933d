/**
 * Files whose layers trade magnitudes with what is before them: each tensor for itself is another than the original's.
 */
import type { Catalog, Warning } from '../api/types.js';

const NOTE = 'rescaled_layers';

export function isRescaled(file: Catalog | undefined): boolean {
  return file?.metadata[NOTE] === 'true';
}

/** About two files, if one of them is rescaled. */
export function rescaledWarnings(first: Catalog | undefined, second: Catalog): readonly Warning[] {
  if (first === undefined || isRescaled(first) === isRescaled(second)) return [];
  const message =
    'The layers of one of the files are rescaled (--smooth): only together its tensors compute what those of the other do, so numbers that compare them one by one say little. Compare what the models answer; the report of the run says what quantizing has lost.';
  return [{ code: 'rescaled', message, tensors: [], total: 0 }];
}
