/**
 * What ends a call although its work could go on: a gate throws, or does nothing.
 * Runs, dry runs, comparisons and validations share the rules and the words.
 */
import { MonoquantError } from '../api/errors.js';
import { option, say } from '../api/sentence.js';
import type { Reason, Validation, Warning } from '../api/types.js';
import type { DecidedTensor } from '../worker/plan-facts.js';
import { decibels, tooLow } from './sqnr.js';

interface Measured {
  readonly sqnrDb: number | null;
  /** The worst first. */
  readonly tensors: readonly { readonly name: string; readonly sqnrDb: number | null }[];
}

/** `failUnder` is in dB. */
export function gateQuality(
  measured: Measured,
  { failUnder }: { readonly failUnder: number | undefined },
): void {
  const message = tooLow(measured, failUnder);
  if (message === undefined) return;
  const worst = measured.tensors.find(({ sqnrDb }) => sqnrDb !== null);
  throw new MonoquantError('quality-gate', message, {
    suggestion:
      worst &&
      say`The worst tensor is "${worst.name}" with ${decibels(worst.sqnrDb)}: more bits for it help, or leaving it out with ${option('ignore')}, or a lower ${option('failUnder')}.`,
    tensor: worst?.name,
  });
}

/** With `strict` every warning is an error. */
export function gateWarnings(
  warnings: readonly Warning[],
  { strict }: { readonly strict: boolean },
): void {
  const [first, ...others] = warnings;
  if (!strict || first === undefined) return;
  const nonFinite = warnings.find(({ code }) => code === 'non-finite');
  if (nonFinite !== undefined) {
    throw new MonoquantError('non-finite-weights', nonFinite.message, {
      suggestion: say`Repair the weights, or leave out ${option('strict')} to copy these tensors as they are.`,
      tensor: nonFinite.tensors[0],
    });
  }
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new MonoquantError('strict-warnings', `${first.message}${more}`, {
    suggestion: say`With ${option('strict')}, warnings are errors: change what it speaks of, or leave out ${option('strict')}.`,
    tensor: first.tensors[0],
  });
}

/** Any problem of a file that was validated. `file` is how the caller knows it. */
export function gateProblems({ problems }: Validation, file: string): void {
  const [first] = problems;
  if (first === undefined) return;
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  throw new MonoquantError('verification-failed', `"${file}" is not valid: ${count}.`, {
    suggestion: 'Quantize the model again, or get the file again.',
    tensor: first.tensor,
  });
}

/** These say nothing about why there is nothing else. */
const LEFT_ALONE_IN_ANY_MODEL: readonly Reason[] = [
  'embedding',
  'head',
  'norm',
  'bias',
  'one-dimensional',
  'not-float',
];

/** A run that would only copy is a mistake of its caller. */
export function gateWork(planned: readonly DecidedTensor[]): void {
  const changes = planned.some(({ decision }) => decision === 'quantize' || decision === 'convert');
  if (changes) return;
  const telling = planned.filter(({ reason }) => !LEFT_ALONE_IN_ANY_MODEL.includes(reason));
  const [example] = [...(telling.length === 0 ? planned : telling)].sort(
    (a, b) => b.bytes - a.bytes,
  );
  const why =
    example === undefined
      ? 'it has no tensors'
      : `each of its tensors would be copied, such as "${example.name}" (${example.explanation})`;
  throw new MonoquantError(
    'nothing-to-quantize',
    `Nothing in the model can be quantized: ${why}.`,
    {
      suggestion: say`Look at the plan (dry run) for every reason; ${option('layers')} and ${option('overrides')} select more.`,
    },
  );
}

/** Dequantizing a file without codes is a mistake of its caller, too. */
export function gateCodes(planned: readonly DecidedTensor[]): void {
  const codes: readonly Reason[] = ['dequantized', 'overflow', 'non-finite'];
  if (planned.some(({ reason }) => codes.includes(reason))) return;
  throw new MonoquantError(
    'nothing-to-dequantize',
    'Expected tensors stored as codes with scales, found none that can be dequantized.',
    { suggestion: 'Use convert to change only the kind of file.' },
  );
}
