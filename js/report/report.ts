/**
 * From a plan and what its shares measured to what a report says of the tensors.
 * Numbers do not depend on how a run was shared out.
 */
import { pause } from '../api/pause.js';
import type { Decision, Report, TensorReport } from '../api/types.js';
import type { DecidedTensor, PlanFacts } from '../worker/plan-facts.js';
import type { BandErrors, EncodedShare } from '../worker/protocol.js';
import { rowsOf } from '../worker/table.js';
import { meanSqnr, qualityOf, sqnrOf, worstFirst } from './sqnr.js';
import { qualityWarnings } from './warnings.js';

export interface RunPlan extends Omit<PlanFacts, 'tensors'> {
  readonly tensors: readonly DecidedTensor[];
}

type Results = Pick<
  Report,
  'sqnrDb' | 'outputSqnrDb' | 'tensors' | 'copied' | 'corrected' | 'tied' | 'dropped' | 'warnings'
>;

/** Of tens of thousands of tensors in parts, so that a page answers meanwhile. */
export async function resultsOf(plan: RunPlan, shares: readonly EncodedShare[]): Promise<Results> {
  return resultsWith(plan, await reportTensors(plan.tensors, shares));
}

function resultsWith(plan: RunPlan, tensors: readonly TensorReport[]): Results {
  const corrected = unchanged(plan, 'correct');
  return {
    sqnrDb: meanSqnr(tensors),
    outputSqnrDb: meanSqnr(
      tensors.flatMap(({ elements, outputSqnrDb: sqnrDb }) =>
        sqnrDb === undefined ? [] : [{ elements, sqnrDb }],
      ),
    ),
    tensors,
    copied: unchanged(plan, 'copy'),
    ...(corrected.length === 0 ? {} : { corrected }),
    tied: unchanged(plan, 'tie'),
    dropped: unchanged(plan, 'drop'),
    warnings: [...plan.warnings, ...qualityWarnings(tensors)],
  };
}

/** Of a part: its tensors go on in others, and whoever has all of them measures. */
export function withoutQuality(plan: RunPlan): Results {
  return {
    ...resultsWith(plan, []),
    warnings: plan.warnings,
  };
}

type ErrorSums = { -readonly [Sum in Exclude<keyof BandErrors, 'tensor' | 'band'>]: number };

const NO_ERRORS: Readonly<ErrorSums> = {
  signal: 0,
  noise: 0,
  peak: 0,
  edges: 0,
  outputSignal: 0,
  outputNoise: 0,
};

/** Tensors; that many are told of in a few milliseconds. */
const AT_ONCE = 8000;

/** What was lost in each tensor that was changed, worst first. */
async function reportTensors(
  planned: readonly DecidedTensor[],
  shares: readonly EncodedShare[],
): Promise<TensorReport[]> {
  const sums = sumErrors(shares);
  const reports: TensorReport[] = [];
  for (const [index, tensor] of planned.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await pause();
    const { decision } = tensor;
    if (decision !== 'quantize' && decision !== 'convert') continue;
    reports.push(tensorReport(tensor, decision, sums.get(index) ?? NO_ERRORS));
  }
  if (reports.length > AT_ONCE) await pause();
  return reports.sort(worstFirst);
}

function tensorReport(
  {
    name,
    dtype,
    shape,
    quantization,
    outputs,
    bytes,
    input,
    pruned,
    folded,
    rescaled,
  }: DecidedTensor,
  decision: TensorReport['decision'],
  errors: Readonly<ErrorSums>,
): TensorReport {
  const sqnrDb = sqnrOf(errors);
  const { outputSignal: signal, outputNoise: noise } = errors;
  const output = signal === 0 ? {} : { outputSqnrDb: sqnrOf({ signal, noise }) };
  const codes = quantization === undefined ? {} : { quantization };
  return {
    name,
    dtype,
    shape,
    elements: shape.reduce((product, extent) => product * extent, 1),
    decision,
    ...codes,
    outputs,
    sqnrDb,
    ...output,
    quality: qualityOf({ sqnrDb, ...output, ...codes }),
    maxError: errors.peak,
    ...(errors.edges === 0 ? {} : { edgeScales: errors.edges }),
    sourceBytes: bytes,
    outputBytes: outputs.reduce((sum, output) => sum + output.bytes, 0),
    ...(input === undefined ? {} : { input }),
    ...(pruned === undefined ? {} : { pruned }),
    ...(folded === undefined ? {} : { folded }),
    ...(rescaled === undefined ? {} : { rescaled }),
  };
}

/** Sums in the order of the bands: rounding depends on it. */
function sumErrors(shares: readonly EncodedShare[]): ReadonlyMap<number, ErrorSums> {
  const bands = shares.flatMap(({ errors }) => rowsOf(errors));
  bands.sort((a, b) => a.tensor - b.tensor || a.band - b.band);
  const sums = new Map<number, ErrorSums>();
  for (const errors of bands) {
    let sum = sums.get(errors.tensor);
    if (sum === undefined) {
      sum = { ...NO_ERRORS };
      sums.set(errors.tensor, sum);
    }
    sum.signal += errors.signal;
    sum.noise += errors.noise;
    sum.peak = Math.max(sum.peak, errors.peak);
    sum.edges += errors.edges;
    sum.outputSignal += errors.outputSignal;
    sum.outputNoise += errors.outputNoise;
  }
  return sums;
}

function unchanged({ tensors }: RunPlan, which: Decision): Report['copied'] {
  return tensors
    .filter(({ decision }) => decision === which)
    .map(({ name, dtype, shape, bytes, decision, reason, explanation }) => {
      return { name, dtype, shape, bytes, decision, reason, explanation };
    });
}
