/**
 * The Report of a run, and the gates that a caller set.
 * It exists so that numbers from the engine become statements in one place.
 * Pure functions of the plan and the stages' results; only the gates throw.
 */
import { MonoquantError } from '../api/errors.js';
import type { OutputConfig } from '../api/model-config.js';
import type { Gates } from '../api/options.js';
import { option, say } from '../api/sentence.js';
import type {
  Dtype,
  Plan,
  PlannedTensor,
  Reason,
  Report,
  TensorReport,
  Warning,
} from '../api/types.js';
import { sqnrOf } from './sqnr.js';
import { decibels } from './warnings.js';
import type { StageResult } from './wasm.js';

/** Errors of one tensor, summed over its bands. */
interface ErrorSums {
  signal: number;
  noise: number;
  peak: number;
  edges: number;
}

const NO_ERRORS: Readonly<ErrorSums> = { signal: 0, noise: 0, peak: 0, edges: 0 };

/** What was lost in each tensor that is not a copy, worst first. `results` are those of all shares. */
export function reportTensors(
  planned: readonly PlannedTensor[],
  results: readonly StageResult[],
): TensorReport[] {
  const sums = sumErrors(results);
  const reports: TensorReport[] = [];
  for (const [index, { name, shape, decision, bytes, outputs, input }] of planned.entries()) {
    if (decision !== 'quantize' && decision !== 'convert') continue;
    const errors = sums.get(index) ?? NO_ERRORS;
    reports.push({
      name,
      elements: shape.reduce((product, extent) => product * extent, 1),
      decision,
      sqnrDb: sqnrOf(errors),
      maxError: errors.peak,
      ...(errors.edges === 0 ? {} : { edgeScales: errors.edges }),
      sourceBytes: bytes,
      outputBytes: outputs.reduce((sum, output) => sum + output.bytes, 0),
      ...(input === undefined ? {} : { input }),
    });
  }
  return reports.sort((a, b) => orderOf(a) - orderOf(b));
}

/** Sums in the order of the bands: numbers must not depend on how a run was shared out. */
function sumErrors(results: readonly StageResult[]): Map<number, ErrorSums> {
  const errors = results.flatMap((result) => result.errors ?? []);
  errors.sort(([tensorA, bandA], [tensorB, bandB]) => tensorA - tensorB || bandA - bandB);
  const sums = new Map<number, ErrorSums>();
  for (const [tensor, , signal, noise, peak, edges] of errors) {
    const sum = sums.get(tensor) ?? { ...NO_ERRORS };
    sum.signal += signal;
    sum.noise += noise;
    sum.peak = Math.max(sum.peak, peak);
    sum.edges += edges;
    sums.set(tensor, sum);
  }
  return sums;
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

/** What a configuration beside the output has to say. */
export function outputConfig({ quantizationConfig, tensors }: Plan): OutputConfig {
  const before = mostUsedFloat(tensors);
  const after = mostUsedFloat(tensors.flatMap(({ outputs }) => outputs));
  return { quantization: quantizationConfig, floatType: after === before ? null : after };
}

const FLOATS: readonly Dtype[] = ['F64', 'F32', 'F16', 'BF16'];

/** The type that most bytes of floats have: what a loader gives the whole model. */
function mostUsedFloat(
  tensors: readonly { readonly dtype: Dtype; readonly bytes: number }[],
): Dtype | null {
  const bytes = new Map(FLOATS.map((dtype) => [dtype, 0]));
  for (const { dtype, bytes: more } of tensors) {
    const sum = bytes.get(dtype);
    if (sum !== undefined) bytes.set(dtype, sum + more);
  }
  const [most] = [...bytes].sort(([, a], [, b]) => b - a);
  return most === undefined || most[1] === 0 ? null : most[0];
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
export function gateWork(planned: readonly PlannedTensor[]): void {
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
    say`The model's SQNR is ${decibels(sqnrDb)}, below the ${failUnder} dB that ${option('failUnder')} asks for.`,
    {
      suggestion:
        worst === undefined
          ? undefined
          : say`The worst tensor is "${worst.name}" with ${decibels(worst.sqnrDb)}: leave it out with ${option('ignore')}, or take more bits.`,
      tensor: worst?.name,
    },
  );
}
