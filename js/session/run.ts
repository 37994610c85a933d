/**
 * A whole run on one or several workers: plan, encode, judge, read back, report.
 * Nothing counts as done that was not read back; what comes out does not depend on how many share it.
 */
import type { BesideWeights } from '../api/beside-weights.js';
import { MonoquantError } from '../api/errors.js';
import type { Gates, RunOptions } from '../api/options.js';
import type { Configuration, EngineInfo, Progress, Report, Warning } from '../api/types.js';
import type { UnfitTensor } from '../engine/engine-options.js';
import type { OpenOptions } from '../engine/wasm.js';
import { gateCodes, gateQuality, gateWarnings, gateWork } from '../report/gates.js';
import { checkWritten, type RunPlan, resultsOf } from '../report/report.js';
import type { Calls, EncodedShare, LoadedEngine } from '../worker/protocol.js';
import { rowsOf } from '../worker/table.js';
import { type CalibrationPart, calibrateWith, calibrationOf } from './calibrate.js';
import { packFrames } from './packing.js';
import { checkPlanned, explained } from './plan-check.js';
import type { RemoteFile, Session } from './session.js';
import { StageProgress, withStage } from './stage-progress.js';

export interface RunJob<Source, Sink, Output> {
  /** The worker that leads, and how the model is opened there. */
  readonly session: Session<Source, Sink, Output>;
  readonly open: () => Promise<RemoteFile<Source, Sink, Output>>;
  /** More workers to share the work, and how the model is opened there. They are released with the run. */
  readonly others: readonly Session<Source, Sink, Output>[];
  readonly source: Source;
  /** Whether it may have to be unpacked before it is read. */
  readonly isPacked: boolean;
  readonly options: OpenOptions;
  readonly sink: Sink;
  /** Where the output is to be compressed, if it is. */
  readonly packed: Sink | undefined;
  readonly configuration: Configuration;
  readonly beside: BesideWeights;
  readonly calibration: readonly CalibrationPart<Source>[];
  readonly gates: Gates;
  readonly run: RunOptions;
}

export interface Quantized<Output> {
  readonly report: Report;
  readonly output: Output;
}

export async function runJob<Source, Sink, Output>(
  job: RunJob<Source, Sink, Output>,
): Promise<Quantized<Output>> {
  const run = new Run(job);
  try {
    return await run.complete();
  } finally {
    // Files may be closed and removed only when no worker touches them any more.
    await run.release();
  }
}

class Run<Source, Sink, Output> {
  readonly #job: RunJob<Source, Sink, Output>;
  /** The model in every worker; the first one leads. */
  #files: readonly RemoteFile<Source, Sink, Output>[] = [];
  /** About the data of the calibration. */
  #dataWarnings: readonly Warning[] = [];

  constructor(job: RunJob<Source, Sink, Output>) {
    this.#job = job;
  }

  async complete(): Promise<Quantized<Output>> {
    const { session, others, configuration, gates, run } = this.#job;
    run.onProgress?.({ stage: 'plan', bytes: 0, totalBytes: 0, fraction: 0, tensor: '' });
    const engines = await Promise.all([session, ...others].map(({ engine }) => engine));
    const openStart = performance.now();
    await this.#open();
    const planned = await this.#plan([]);
    const encodeStart = performance.now();
    const { plan, shares } = await this.#encode(planned);
    const sealed = await this.#lead(
      'seal',
      shares.map(({ checksums }) => checksums),
    );
    checkWritten(shares, sealed, plan.sizes.outputBytes);
    const verifyStart = performance.now();
    const report: Report = {
      version: engines[0]?.version ?? '',
      configuration,
      engine: together(engines),
      sizes: plan.sizes,
      outputConfig: plan.outputConfig,
      ...resultsOf(plan, shares),
      timings: {
        planMs: encodeStart - openStart,
        encodeMs: verifyStart - encodeStart,
        verifyMs: 0,
      },
    };
    gateQuality(report.tensors, gates, report);
    gateWarnings(report.warnings, gates, report);
    await this.#ask('verify', () => null);
    const packStart = performance.now();
    const packedBytes = await this.#pack(plan.sizes.outputBytes);
    const compressMs = performance.now() - packStart;
    const output = await this.#lead('finish', null);
    const timings = { ...report.timings, verifyMs: packStart - verifyStart };
    if (packedBytes === undefined) return { report: { ...report, timings }, output };
    const sizes = { ...report.sizes, packedBytes };
    return { report: { ...report, sizes, timings: { ...timings, compressMs } }, output };
  }

  /** Compresses what was verified, if that is wanted. Answers how many bytes that takes. */
  async #pack(size: number): Promise<number | undefined> {
    const { packed: sink, configuration, run } = this.#job;
    const { zstdLevel: level } = configuration;
    if (sink === undefined || level === null) return undefined;
    return withStage('compress', run, async ({ signal, onProgress }) => {
      const job = { files: this.#files, sink, size, level, signal, onProgress };
      return this.#lead('endPacked', { sink, frames: await packFrames(job) });
    });
  }

  /** Nothing is left of what was begun. If the leading worker is still busy after a failure, it is ended. */
  async release(): Promise<void> {
    const { session, others } = this.#job;
    await Promise.all(others.map((other) => other.release()));
    if (session.isIdle) await this.#files[0]?.request('drop', null);
    else await session.close();
  }

  /** Opens the model in all workers, with the same calibration. */
  async #open(): Promise<void> {
    const { open, others, source, isPacked, options, calibration, run } = this.#job;
    const leading = open();
    const follow = async (session: Session<Source, Sink, Output>) => {
      // What has to be unpacked is unpacked once.
      const own = isPacked ? ((await leading).source as Source) : source;
      return session.open(own, options, { signal: run.signal });
    };
    const [leader, ...followers] = await Promise.all([leading, ...others.map(follow)]);
    this.#files = [leader, ...followers];
    const { warnings } = await calibrateWith(leader, calibration, run);
    this.#dataWarnings = warnings;
    if (followers.length === 0 || calibration.length === 0) return;
    const json = await calibrationOf(leader, run.signal);
    await Promise.all(
      followers.map((file) => file.request('setCalibration', json, { signal: run.signal })),
    );
  }

  async #plan(unfit: readonly UnfitTensor[]): Promise<RunPlan> {
    const { beside, configuration, gates, run } = this.#job;
    const controls = { signal: run.signal };
    const choice = { configuration, unfit };
    await Promise.all(this.#files.map((file) => file.request('plan', choice, controls))).catch(
      (error: unknown) => {
        throw explained(error, beside);
      },
    );
    const facts = await this.#lead('planFacts', null);
    checkPlanned(beside, configuration, facts.quantizedTie);
    const tensors = rowsOf(facts.tensors);
    const warnings = [...facts.warnings, ...this.#dataWarnings];
    if (configuration.bits !== 'none') gateWork(tensors, warnings);
    if (configuration.dequantize !== null) gateCodes(tensors, warnings);
    gateWarnings(warnings, gates);
    return { ...facts, tensors, warnings };
  }

  /** Encodes. If weights turn out unfit for the plan, makes another plan and encodes once more. */
  async #encode(plan: RunPlan): Promise<{ plan: RunPlan; shares: readonly EncodedShare[] }> {
    const first = await this.#encodeShares(plan);
    const unfit = unfitTensors(first);
    if (unfit.length === 0) return { plan, shares: first };
    const changed = await this.#plan(unfit);
    const second = await this.#encodeShares(changed);
    const again = unfitTensors(second)[0];
    if (again === undefined) return { plan: changed, shares: second };
    throw new MonoquantError('internal', 'A tensor was found unfit only in the second run.', {
      tensor: plan.tensors[again.tensor]?.name,
    });
  }

  #encodeShares({ sizes }: RunPlan): Promise<readonly EncodedShare[]> {
    const { sink } = this.#job;
    const count = this.#files.length;
    const size = sizes.outputBytes;
    return this.#ask('encode', (index) => ({ share: { index, count }, sink, size }));
  }

  /** Asks every worker for its part of a stage. */
  async #ask<Kind extends 'encode' | 'verify'>(
    kind: Kind & Progress['stage'],
    parametersOf: (index: number) => Calls<Source, Sink, Output>[Kind]['parameters'],
  ): Promise<Calls<Source, Sink, Output>[Kind]['answer'][]> {
    const { signal, onProgress } = this.#job.run;
    const progress = onProgress && new StageProgress(kind, this.#files.length, onProgress);
    const answers = await Promise.all(
      this.#files.map((file, index) =>
        file.request<Kind>(kind, parametersOf(index), { signal, onProgress: progress?.of(index) }),
      ),
    );
    progress?.end();
    return answers;
  }

  /** Asks the worker that leads. */
  #lead<Kind extends 'planFacts' | 'seal' | 'endPacked' | 'finish'>(
    kind: Kind,
    parameters: Calls<Source, Sink, Output>[Kind]['parameters'],
  ): Promise<Calls<Source, Sink, Output>[Kind]['answer']> {
    const [leader] = this.#files;
    if (leader === undefined) throw new MonoquantError('internal', 'A run needs a worker.');
    return leader.request(kind, parameters, { signal: this.#job.run.signal });
  }
}

/** Several workers may have met the same tensor. */
function unfitTensors(shares: readonly EncodedShare[]): readonly UnfitTensor[] {
  const found = new Map<number, UnfitTensor>();
  for (const tensor of shares.flatMap(({ unfit }) => unfit)) {
    if (!found.has(tensor.tensor)) found.set(tensor.tensor, tensor);
  }
  return [...found.values()].sort((a, b) => a.tensor - b.tensor);
}

function together(engines: readonly LoadedEngine[]): EngineInfo {
  const kind = engines[0]?.info.kind ?? 'st';
  return { kind, threads: engines.reduce((sum, { info }) => sum + info.threads, 0) };
}
