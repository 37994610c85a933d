/**
 * What ends a call although its work could go on: a gate throws, or does nothing.
 * Runs, dry runs, comparisons and validations share the rules and the words.
 */
import { MonoquantError } from '../api/errors.js';
import { GateError } from '../api/gate-error.js';
import { option, say } from '../api/sentence.js';
import type { PlannedTensor, Reason, Report, Validation, Warning } from '../api/types.js';
import { type Judged, shortfalls } from './sqnr.js';

/** `tensors`: the worst first. `failUnder` is in dB, and holds for each. `report`: of what was judged. */
export function gateQuality(
  tensors: readonly Judged[],
  { failUnder }: { readonly failUnder: number | undefined },
  report?: Report,
): void {
  const [first, ...others] = shortfalls(tensors, failUnder);
  if (first === undefined) return;
  const { words, tensor, sqnrDb } = first;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new GateError('quality-gate', `${words}${more}.`, report, {
    suggestion:
      sqnrDb === null
        ? say`Look at all tensors, and at whether these are the right files; without ${option('failUnder')} nothing is asked of them.`
        : say`More bits for it help, or leaving it out with ${option('ignore')}, or a lower ${option('failUnder')}.`,
    tensor: tensor === '' ? undefined : tensor,
  });
}

/** What a file would or might do in Python: it comes first, whatever else there is to say. */
function isDanger({ code }: Warning): boolean {
  return code === 'pickle-dangerous' || code === 'pickle-unknown' || code === 'opaque-part';
}

/** With `strict` every warning is an error. `report`: of the work that they are about, where it is done. */
export function gateWarnings(
  warnings: readonly Warning[],
  { strict }: { readonly strict: boolean },
  report?: Report,
): void {
  const first = warnings.find(isDanger) ?? warnings[0];
  if (!strict || first === undefined) return;
  const nonFinite = warnings.find(({ code }) => code === 'non-finite');
  if (nonFinite !== undefined) {
    throw new GateError('non-finite-weights', nonFinite.message, report, {
      suggestion: say`Repair the weights, or leave out ${option('strict')} to copy these tensors as they are.`,
      tensor: nonFinite.tensors[0],
    });
  }
  const more = warnings.length === 1 ? '' : ` (and ${warnings.length - 1} more)`;
  throw new GateError('strict-warnings', `${first.message}${more}`, report, {
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

type Decided = Pick<PlannedTensor, 'name' | 'decision' | 'reason' | 'explanation' | 'bytes'>;

function dangersOf(warnings: readonly Warning[]): string {
  return warnings
    .filter(isDanger)
    .map(({ message }) => ` ${message}`)
    .join('');
}

/** A run that would only copy is a mistake of its caller, who hears of dangers of the file all the same. */
export function gateWork(planned: readonly Decided[], warnings: readonly Warning[]): void {
  const changes = planned.some(({ decision }) => decision === 'quantize' || decision === 'convert');
  if (changes) return;
  const transposed = planned.filter(({ reason }) => reason === 'gpt2-conv1d');
  if (transposed.length > 0) throw onlyTransposed(transposed, dangersOf(warnings));
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
    `Nothing in the model can be quantized: ${why}.${dangersOf(warnings)}`,
    {
      suggestion: say`Look at the plan (dry run) for every reason; ${option('layers')} and ${option('overrides')} select more.`,
    },
  );
}

/** GPT-2: everybody's first model. */
function onlyTransposed(layers: readonly Decided[], dangers: string): MonoquantError {
  const count = layers.length === 1 ? 'One tensor' : `${layers.length} tensors`;
  return new MonoquantError(
    'nothing-to-quantize',
    `Nothing in the model is quantized by default. ${count}, such as "${layers[0]?.name}", ${layers.length === 1 ? 'is' : 'are'} stored transposed, as GPT-2 has them, and no loader takes these as codes.${dangers}`,
    {
      suggestion: say`${option('layers', 'gpt2-conv1d')} quantizes them all the same, for programs that read the codes themselves; ${option('bits', 16)} is what loaders take.`,
    },
  );
}

/** Dequantizing a file without codes is a mistake of its caller, too. */
export function gateCodes(planned: readonly Decided[], warnings: readonly Warning[]): void {
  const codes: readonly Reason[] = ['dequantized', 'overflow', 'non-finite'];
  if (planned.some(({ reason }) => codes.includes(reason))) return;
  throw new MonoquantError(
    'nothing-to-dequantize',
    `Expected tensors stored as codes with scales, found none that can be dequantized.${dangersOf(warnings)}`,
    { suggestion: 'Use convert to change only the kind of file.' },
  );
}
