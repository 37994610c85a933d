/**
 * From a plan and what its shares measured to what a report says of the tensors.
 * Numbers do not depend on how a run was shared out.
 */
import { MonoquantError } from '../api/errors.js';
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

export function resultsOf(plan: RunPlan, shares: readonly EncodedShare[]): Results {
  const tensors = reportTensors(plan.tensors, shares);
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
    ...resultsOf(plan, []),
    sqnrDb: null,
    outputSqnrDb: null,
    tensors: [],
    warnings: plan.warnings,
  };
}

/** Every byte of the output belongs to some share; one that nobody wrote would never be verified. */
export function checkWritten(
  shares: readonly EncodedShare[],
  sealedBytes: number,
  outputBytes: number,
): void {
  const written = shares.reduce((sum, { bytes }) => sum + bytes, sealedBytes);
  if (written === outputBytes) return;
  throw new MonoquantError(
    'verification-failed',
    `The output should have ${outputBytes} bytes, but ${written} were written.`,
    { suggestion: 'This is a fault of monoquant: please report it with the model.' },
  );
}

type ErrorSums = Omit<BandErrors, 'tensor' | 'band'>;

const NO_ERRORS: ErrorSums = {
  signal: 0,
  noise: 0,
  peak: 0,
  edges: 0,
  outputSignal: 0,
  outputNoise: 0,
};

/** What was lost in each tensor that was changed, worst first. */
function reportTensors(
  planned: readonly DecidedTensor[],
  shares: readonly EncodedShare[],
): TensorReport[] {
  const sums = sumErrors(shares);
  const reports = planned.flatMap(
    (
      { name, dtype, shape, decision, quantization, outputs, bytes, input, pruned, folded },
      index,
    ): TensorReport[] => {
      if (decision !== 'quantize' && decision !== 'convert') return [];
      const errors = sums.get(index) ?? NO_ERRORS;
      const sqnrDb = sqnrOf(errors);
      const { outputSignal: signal, outputNoise: noise } = errors;
      const output = signal === 0 ? {} : { outputSqnrDb: sqnrOf({ signal, noise }) };
      const codes = quantization === undefined ? {} : { quantization };
      return [
        {
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
        },
      ];
    },
  );
  return reports.sort(worstFirst);
}

/** Sums in the order of the bands: rounding depends on it. */
function sumErrors(shares: readonly EncodedShare[]): ReadonlyMap<number, ErrorSums> {
  const bands = shares.flatMap(({ errors }) => rowsOf(errors));
  bands.sort((a, b) => a.tensor - b.tensor || a.band - b.band);
  const sums = new Map<number, ErrorSums>();
  for (const { tensor, band: _, ...errors } of bands) {
    const sum = sums.get(tensor) ?? NO_ERRORS;
    sums.set(tensor, {
      signal: sum.signal + errors.signal,
      noise: sum.noise + errors.noise,
      peak: Math.max(sum.peak, errors.peak),
      edges: sum.edges + errors.edges,
      outputSignal: sum.outputSignal + errors.outputSignal,
      outputNoise: sum.outputNoise + errors.outputNoise,
    });
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
