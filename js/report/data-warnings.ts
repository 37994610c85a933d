/**
 * What is wrong with captured inputs, as warnings.
 * A calibration's own shortcomings are told by plans too; only these tell what in a file fits no layer.
 */
import type { Warning } from '../api/types.js';
import { warningOf } from '../api/warning.js';
import type { DataProblems } from '../engine/wasm.js';

/** Fewer samples say little (cpp/monoquant/calibration/calibration.h). */
const FEW_SAMPLES = 50;

/** `found` are the problems of each file. */
export function dataWarnings(found: readonly DataProblems[]): readonly Warning[] {
  const unmatched = new Set(found.flatMap((problems) => problems.unmatched));
  const misfits = found.flatMap((problems) => problems.misfits);
  const [first] = misfits;
  const example = first && `"${first.name}" should be ${first.expected} and is ${first.found}`;
  return [
    ...warningOf('calibration-unmatched', 'These names in the data are no layers of the model.', [
      ...unmatched,
    ]),
    ...warningOf(
      'calibration-unmatched',
      `These tensors in the data do not fit their layers: ${example}.`,
      misfits.map(({ name }) => name),
    ),
  ];
}

/** What can only be said when all data were read. */
export function completeWarnings(
  problems: DataProblems | undefined,
  leftOut: readonly string[],
): readonly Warning[] {
  return [
    ...warningOf(
      'calibration-nan',
      'These layers had NaN among their inputs and are left out of the calibration.',
      leftOut,
    ),
    ...warningOf(
      'calibration-missing',
      'There are no data of these layers.',
      problems?.missing ?? [],
    ),
    ...warningOf(
      'calibration-small',
      `There are fewer than ${FEW_SAMPLES} samples of these layers' inputs.`,
      problems?.few ?? [],
    ),
  ];
}
