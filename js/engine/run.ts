/**
 * One run of a plan: encode, judge, read back, report.
 * It exists so that the order of these steps is the same in every host.
 * Nothing counts as done that was not read back from where it was written.
 */
import { type ErrorCode, MonoquantError } from '../api/errors.js';
import type { Gates } from '../api/options.js';
import type { Configuration, Plan, Progress, Report } from '../api/types.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';
import { type BlockShape, type Engine, withHandle } from './engine.js';
import { runStage, type StageIo } from './pipeline.js';
import {
  copiedTensors,
  gateQuality,
  gateWarnings,
  meanSqnr,
  qualityWarnings,
  reportTensors,
} from './report.js';
import type { UnfitTensor, WasmInspector, WasmPlan, WasmStage } from './wasm.js';

export interface QuantizeJob<Output> {
  readonly configuration: Configuration;
  readonly gates: Gates;
  readonly blocks: BlockShape;
  /** Called again, with another size, when the first run shows that the plan has to change. */
  readonly openSink: (size: number) => Promise<ByteSink<Output>>;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface PlanAtHand {
  readonly handle: WasmPlan;
  readonly plan: Plan;
  readonly planMs: number;
}

type Job = QuantizeJob<unknown>;

/** Returns the tensors that turned out unfit, where there are any: the sink's content is void then. */
export function runPlan(
  engine: Engine,
  job: Job,
  { handle, plan, planMs }: PlanAtHand,
  { source, sink }: { readonly source: ByteSource; readonly sink: ByteSink<unknown> },
): Promise<Report | { readonly unfit: readonly UnfitTensor[] }> {
  return engine.withEncodeStage(handle, job.blocks, async (encode) => {
    const encodeStart = performance.now();
    const result = await runStage(encode, { source, sink, ...pace(job, 'encode') });
    if (result.unfit !== undefined && result.unfit.length > 0) return { unfit: result.unfit };
    const tensors = reportTensors(plan.tensors, result.tensors ?? []);
    const sqnrDb = meanSqnr(tensors);
    const warnings = [...plan.warnings, ...qualityWarnings(tensors)];
    gateQuality(sqnrDb, tensors, job.gates);
    gateWarnings(warnings, job.gates);

    const verifyStart = performance.now();
    await verify(engine, encode, sink, job);
    return {
      version: engine.version,
      configuration: plan.configuration,
      engine: engine.info,
      sizes: plan.sizes,
      sqnrDb,
      tensors,
      copied: copiedTensors(plan.tensors),
      warnings,
      timings: {
        planMs,
        encodeMs: verifyStart - encodeStart,
        verifyMs: performance.now() - verifyStart,
      },
    };
  });
}

async function verify(
  engine: Engine,
  encode: WasmStage,
  output: ByteSource,
  job: Job,
): Promise<void> {
  await withHandle(await inspectOutput(engine, output), (inspector) =>
    engine.withVerifyStage(encode, inspector, job.blocks, (stage) =>
      runStage(stage, { source: output, ...pace(job, 'verify') }),
    ),
  );
}

const STRUCTURE_CODES: readonly ErrorCode[] = [
  'unsupported-format',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
];

/** What would be a fault of an input is our own failure in an output. */
async function inspectOutput(engine: Engine, output: ByteSource): Promise<WasmInspector> {
  try {
    return await engine.inspect(output);
  } catch (cause) {
    if (!(cause instanceof MonoquantError) || !STRUCTURE_CODES.includes(cause.code)) throw cause;
    const message = `The output reads back as no valid file: ${cause.message}`;
    throw new MonoquantError('verification-failed', message, { offset: cause.offset, cause });
  }
}

function pace(job: Job, stage: Progress['stage']): Pick<StageIo, 'slots' | 'onProgress'> {
  const { onProgress, blocks } = job;
  return {
    slots: blocks.slots,
    onProgress:
      onProgress &&
      ((bytes, totalBytes, tensor) => onProgress({ stage, bytes, totalBytes, tensor })),
  };
}
