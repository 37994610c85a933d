/**
 * Warnings that only the work can give: how well the weights came out.
 * They stand beside those of the engine's plans, and are told in the same way: what, how much, what to do.
 */
import type { TensorReport, Warning, WarningCode } from '../api/types.js';
import { warningOf } from '../api/warning.js';
import { countedWords, lowSqnrDb, veryLowSqnrDb } from './sqnr.js';

/** One of a kind at most. `tensors` are sorted, worst first. */
export function qualityWarnings(tensors: readonly TensorReport[]): readonly Warning[] {
  const of = (quality: TensorReport['quality']) => tensors.filter((t) => t.quality === quality);
  return [
    ...sqnrWarning('very-low-sqnr', of('very-low'), veryLowSqnrDb),
    ...sqnrWarning('low-sqnr', of('low'), lowSqnrDb),
    ...edgeWarning(tensors.filter(({ edgeScales }) => edgeScales !== undefined)),
  ];
}

function edgeWarning(tensors: readonly TensorReport[]): Warning[] {
  const [first, ...others] = tensors;
  const scales = tensors.reduce((sum, { edgeScales = 0 }) => sum + edgeScales, 0);
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  const message =
    `${scales === 1 ? 'One scale' : `${scales} scales`} of "${first?.name}"${more} ` +
    `${scales === 1 ? 'is' : 'are'} at the edge of what their dtype holds, for weights that are very ` +
    'small: leave these tensors alone, or begin with a model in BF16 or F32 where it is in F16.';
  return warningOf('scale-edge', message, namesOf(tensors));
}

function sqnrWarning(
  code: WarningCode,
  low: readonly TensorReport[],
  limitOf: (tensor: TensorReport) => number,
): Warning[] {
  const worst = low[0];
  if (worst === undefined) return [];
  const limits = [...new Set(low.map(limitOf))].sort((a, b) => a - b);
  const limit = limits.join(' or ');
  const what =
    low.length === 1
      ? `"${worst.name}" has an SQNR of ${countedWords(worst)}, below ${limit} dB`
      : `${low.length} tensors have an SQNR below ${limit} dB; the worst is "${worst.name}" with ${countedWords(worst)}`;
  const message = `${what}. More bits or smaller groups help, or leaving them alone.`;
  return warningOf(code, message, namesOf(low));
}

function namesOf(tensors: readonly TensorReport[]): readonly string[] {
  return tensors.map(({ name }) => name);
}
