/**
 * Warnings that only the work can give: what the weights hold, and how well they came out.
 * They exist beside those of the engine's plans, and are told in the same way: what, how much, what to do.
 * Pure functions of the plan and the reports; one warning of a kind at most.
 */
import type { PlannedTensor, Reason, TensorReport, Warning, WarningCode } from '../api/types.js';

const LOW_SQNR_DB = 20;
const VERY_LOW_SQNR_DB = 10;
const TENSORS_IN_WARNING = 20;

/** A plan's own warnings, and one each for what an earlier run found in the weights. */
export function planWarnings(
  planned: readonly PlannedTensor[],
  given: readonly Warning[],
): readonly Warning[] {
  const found = [
    ...unfitWarning(
      planned,
      'non-finite',
      'NaN or infinity',
      'Repair the weights, or ignore it by name.',
    ),
    ...unfitWarning(
      planned,
      'overflow',
      'values beyond the range of the output type',
      'BF16 has a wider range.',
    ),
  ].filter(({ code }) => !given.some((warning) => warning.code === code));
  return [...given, ...found];
}

function unfitWarning(
  planned: readonly PlannedTensor[],
  code: WarningCode & Reason,
  content: string,
  remedy: string,
): Warning[] {
  const tensors = planned.filter(({ reason }) => reason === code).map(({ name }) => name);
  const [first, ...others] = tensors;
  if (first === undefined) return [];
  const message =
    others.length === 0
      ? `"${first}" is copied as it is because it holds ${content}. ${remedy}`
      : `"${first}" and ${others.length} more are copied as they are because they hold ${content}. ${remedy}`;
  return [{ code, message, tensors: tensors.slice(0, TENSORS_IN_WARNING) }];
}

/** `tensors` are sorted, worst first. */
export function qualityWarnings(tensors: readonly TensorReport[]): readonly Warning[] {
  return [
    ...sqnrWarning(tensors, 'very-low-sqnr', Number.NEGATIVE_INFINITY, VERY_LOW_SQNR_DB),
    ...sqnrWarning(tensors, 'low-sqnr', VERY_LOW_SQNR_DB, LOW_SQNR_DB),
    ...edgeWarning(tensors),
  ];
}

function edgeWarning(tensors: readonly TensorReport[]): Warning[] {
  const names = tensors.filter(({ edgeScales }) => edgeScales !== undefined);
  const [first, ...others] = names;
  if (first === undefined) return [];
  const scales = names.reduce((sum, { edgeScales = 0 }) => sum + edgeScales, 0);
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  const message =
    `${scales === 1 ? 'One scale' : `${scales} scales`} of "${first.name}"${more} ` +
    `${scales === 1 ? 'is' : 'are'} at the edge of what their dtype holds, for weights that are very ` +
    'small: leave these tensors alone, or begin with a model in BF16 or F32 where it is in F16.';
  return [{ code: 'scale-edge', message, tensors: firstNames(names) }];
}

function firstNames(tensors: readonly TensorReport[]): readonly string[] {
  return tensors.slice(0, TENSORS_IN_WARNING).map(({ name }) => name);
}

function sqnrWarning(
  tensors: readonly TensorReport[],
  code: WarningCode,
  from: number,
  limit: number,
): Warning[] {
  const low = tensors.filter(({ sqnrDb }) => sqnrDb !== null && sqnrDb >= from && sqnrDb < limit);
  const worst = low[0];
  if (worst === undefined) return [];
  const what =
    low.length === 1
      ? `"${worst.name}" has an SQNR of ${decibels(worst.sqnrDb)}, below ${limit} dB`
      : `${low.length} tensors have an SQNR below ${limit} dB; the worst is "${worst.name}" with ${decibels(worst.sqnrDb)}`;
  const message = `${what}. More bits or smaller groups help, or leaving them alone.`;
  return [{ code, message, tensors: firstNames(low) }];
}

/** Two digits, so that 19.96 is not shown as 20.0 next to "below 20". */
export function decibels(sqnrDb: number | null): string {
  return sqnrDb === null ? 'no error' : `${sqnrDb.toFixed(2)} dB`;
}
