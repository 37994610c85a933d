/**
 * The Report of a run, its warnings about quality, and the gates that a caller set.
 * It exists so that numbers from the engine become statements in one place.
 * Pure functions of the plan and the stages' results; only the gates throw.
 */
import { MonoquantError } from '../api/errors.js';
import type { Gates } from '../api/options.js';
import type {
  PlannedTensor,
  Reason,
  Report,
  TensorReport,
  Warning,
  WarningCode,
} from '../api/types.js';
import type { StageResult } from './wasm.js';

const LOW_SQNR_DB = 20;
const VERY_LOW_SQNR_DB = 10;
const TENSORS_IN_WARNING = 20;

/** Errors of one tensor, summed over its bands. */
interface ErrorSums {
  signal: number;
  noise: number;
  peak: number;
}

/** What was lost in each tensor that is not a copy, worst first. `results` are those of all shares. */
export function reportTensors(
  planned: readonly PlannedTensor[],
  results: readonly StageResult[],
): TensorReport[] {
  const sums = sumErrors(results);
  const reports: TensorReport[] = [];
  for (const [index, { name, shape, decision, bytes, outputs }] of planned.entries()) {
    if (decision !== 'quantize' && decision !== 'convert') continue;
    const errors = sums.get(index) ?? { signal: 0, noise: 0, peak: 0 };
    reports.push({
      name,
      elements: shape.reduce((product, extent) => product * extent, 1),
      decision,
      sqnrDb: sqnrOf(errors),
      maxError: errors.peak,
      sourceBytes: bytes,
      outputBytes: outputs.reduce((sum, output) => sum + output.bytes, 0),
    });
  }
  return reports.sort((a, b) => orderOf(a) - orderOf(b));
}

/** Sums in the order of the bands: numbers must not depend on how a run was shared out. */
function sumErrors(results: readonly StageResult[]): Map<number, ErrorSums> {
  const errors = results.flatMap((result) => result.errors ?? []);
  errors.sort(([tensorA, bandA], [tensorB, bandB]) => tensorA - tensorB || bandA - bandB);
  const sums = new Map<number, ErrorSums>();
  for (const [tensor, , signal, noise, peak] of errors) {
    const sum = sums.get(tensor) ?? { signal: 0, noise: 0, peak: 0 };
    sum.signal += signal;
    sum.noise += noise;
    sum.peak = Math.max(sum.peak, peak);
    sums.set(tensor, sum);
  }
  return sums;
}

function sqnrOf({ signal, noise }: ErrorSums): number | null {
  // Noise without any signal is as bad as a number can say; JSON has no infinity.
  return noise === 0 ? null : 10 * Math.log10(Math.max(signal, Number.MIN_VALUE) / noise);
}

/** No error at all sorts behind every number; subtracting two infinities would not sort. */
function orderOf({ sqnrDb }: TensorReport): number {
  return sqnrDb ?? Number.MAX_VALUE;
}

/** Mean SQNR of the tensors that lost anything, weighted by their elements. */
export function meanSqnr(
  tensors: readonly { readonly sqnrDb: number | null; readonly elements: number }[],
): number | null {
  let sum = 0;
  let elements = 0;
  for (const tensor of tensors) {
    if (tensor.sqnrDb === null) continue;
    sum += tensor.sqnrDb * tensor.elements;
    elements += tensor.elements;
  }
  return elements === 0 ? null : sum / elements;
}

export function copiedTensors(planned: readonly PlannedTensor[]): Report['copied'] {
  return planned
    .filter(({ decision }) => decision !== 'quantize' && decision !== 'convert')
    .map(({ name, decision, reason, explanation }) => ({ name, decision, reason, explanation }));
}

/** A plan's own warnings, and one each for what an earlier run found in the weights. */
export function planWarnings(
  planned: readonly PlannedTensor[],
  given: readonly Warning[],
): readonly Warning[] {
  const found = [
    ...unfitWarning(planned, 'non-finite', 'NaN or infinity'),
    ...unfitWarning(planned, 'overflow', 'values beyond the range of the output type'),
  ].filter(({ code }) => !given.some((warning) => warning.code === code));
  return [...given, ...found];
}

function unfitWarning(
  planned: readonly PlannedTensor[],
  code: WarningCode & Reason,
  content: string,
): Warning[] {
  const tensors = planned.filter(({ reason }) => reason === code).map(({ name }) => name);
  const [first, ...others] = tensors;
  if (first === undefined) return [];
  const message =
    others.length === 0
      ? `"${first}" is copied as it is because it holds ${content}.`
      : `"${first}" and ${others.length} more are copied as they are because they hold ${content}.`;
  return [{ code, message, tensors: tensors.slice(0, TENSORS_IN_WARNING) }];
}

/** `tensors` are sorted, worst first. */
export function qualityWarnings(tensors: readonly TensorReport[]): readonly Warning[] {
  return [
    ...sqnrWarning(tensors, 'very-low-sqnr', Number.NEGATIVE_INFINITY, VERY_LOW_SQNR_DB),
    ...sqnrWarning(tensors, 'low-sqnr', VERY_LOW_SQNR_DB, LOW_SQNR_DB),
  ];
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
  const message =
    low.length === 1
      ? `"${worst.name}" has an SQNR of ${decibels(worst.sqnrDb)}, below ${limit} dB.`
      : `${low.length} tensors have an SQNR below ${limit} dB; the worst is "${worst.name}" with ${decibels(worst.sqnrDb)}.`;
  return [{ code, message, tensors: low.slice(0, TENSORS_IN_WARNING).map(({ name }) => name) }];
}

/** A run that would only copy is a mistake of its caller. */
export function gateWork(planned: readonly PlannedTensor[]): void {
  const changes = planned.some(({ decision }) => decision === 'quantize' || decision === 'convert');
  if (changes) return;
  const [first] = planned;
  const why =
    first === undefined
      ? 'it has no tensors'
      : `each of its tensors would be copied, such as "${first.name}" (${first.explanation})`;
  throw new MonoquantError(
    'nothing-to-quantize',
    `Nothing in the model can be quantized: ${why}.`,
    {
      suggestion: 'Look at the plan (dry run) for every reason; layers and overrides select more.',
    },
  );
}

/** Dequantizing a file without codes is a mistake of its caller, too. */
export function gateCodes(planned: readonly PlannedTensor[]): void {
  const codes: readonly Reason[] = ['dequantized', 'overflow', 'non-finite'];
  if (planned.some(({ reason }) => codes.includes(reason))) return;
  throw new MonoquantError(
    'nothing-to-dequantize',
    'Expected tensors stored as codes with scales, found none that can be dequantized.',
    { suggestion: 'Use convert to change only the kind of file.' },
  );
}

/** Every byte of the output belongs to some share; one that nobody wrote would never be verified. */
export function checkWritten(results: readonly StageResult[], outputBytes: number): void {
  const written = results.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  if (written === outputBytes) return;
  throw new MonoquantError(
    'verification-failed',
    `The output should have ${outputBytes} bytes, but ${written} were written.`,
    { suggestion: 'This is a fault of monoquant: please report it with the model.' },
  );
}

/** With `strict` every warning is an error. */
export function gateWarnings(warnings: readonly Warning[], { strict }: Gates): void {
  const [first, ...others] = warnings;
  if (!strict || first === undefined) return;
  const nonFinite = warnings.find(({ code }) => code === 'non-finite');
  if (nonFinite !== undefined) {
    throw new MonoquantError('non-finite-weights', nonFinite.message, {
      suggestion: 'Repair the weights, or leave out strict to copy these tensors as they are.',
      tensor: nonFinite.tensors[0],
    });
  }
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new MonoquantError('strict-warnings', `${first.message}${more}`, {
    suggestion: 'With strict, warnings are errors: change what it speaks of, or leave out strict.',
    tensor: first.tensors[0],
  });
}

/** `tensors` are sorted, worst first. */
export function gateQuality(
  sqnrDb: number | null,
  tensors: readonly TensorReport[],
  { failUnder }: Gates,
): void {
  if (failUnder === undefined || sqnrDb === null || sqnrDb >= failUnder) return;
  const worst = tensors[0];
  throw new MonoquantError(
    'quality-gate',
    `The model's SQNR is ${decibels(sqnrDb)}, below the ${failUnder} dB that failUnder asks for.`,
    {
      suggestion:
        worst === undefined
          ? undefined
          : `The worst tensor is "${worst.name}" with ${decibels(worst.sqnrDb)}: leave it out with ignore, or take more bits.`,
      tensor: worst?.name,
    },
  );
}

/** Two digits, so that 19.96 is not shown as 20.0 next to "below 20". */
function decibels(sqnrDb: number | null): string {
  return sqnrDb === null ? 'no error' : `${sqnrDb.toFixed(2)} dB`;
}
