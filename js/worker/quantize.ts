/**
 * A whole run on one or several workers: plan, encode, judge, read back, report.
 * It exists so that the order of these steps is the same in every host.
 * Nothing counts as done that was not read back; what comes out does not depend on how many share it.
 */
import { MonoquantError } from '../api/errors.js';
import type { ModelClass } from '../api/model-config.js';
import type { Gates, RunOptions } from '../api/options.js';
import type { Configuration, EngineInfo, Plan, Progress, Report, Warning } from '../api/types.js';
import {
  checkWritten,
  copiedTensors,
  gateCodes,
  gateQuality,
  gateWarnings,
  gateWork,
  meanSqnr,
  outputConfig,
  reportTensors,
} from '../engine/report.js';
import { planWarnings, qualityWarnings } from '../engine/warnings.js';
import type { StageResult, UnfitTensor } from '../engine/wasm.js';
import { type Calibrated, type CalibrationPart, calibrateWith } from './calibrate.js';
import { openOptions } from './open-options.js';
import type { Calls, LoadedEngine } from './protocol.js';
import type { RequestControls, Session } from './session.js';
import { StageProgress } from './stage-progress.js';

export interface QuantizeJob<Source, Sink> {
  readonly source: Source;
  readonly modelClass: ModelClass | undefined;
  readonly sink: Sink;
  readonly configuration: Configuration;
  readonly calibration: readonly CalibrationPart<Source>[];
  readonly gates: Gates;
  readonly run: RunOptions;
}

export interface Quantized<Output> {
  readonly report: Report;
  readonly output: Output;
}

/** Takes over the sessions, at least one, each with a worker of its own: they end here. */
export async function quantizeWith<Source, Sink, Output>(
  sessions: readonly Session<Source, Sink, Output>[],
  job: QuantizeJob<Source, Sink>,
): Promise<Quantized<Output>> {
  try {
    return await new Run(sessions, job).complete();
  } finally {
    // Files may be closed and removed only when no worker touches them any more.
    await Promise.all(sessions.map((session) => session.close()));
  }
}

interface Encoded {
  readonly plan: Plan;
  /** JSON of the results of all shares, and the results. */
  readonly answers: readonly string[];
  readonly results: readonly StageResult[];
}

class Run<Source, Sink, Output> {
  readonly #sessions: readonly Session<Source, Sink, Output>[];
  readonly #leader: Session<Source, Sink, Output>;
  readonly #job: QuantizeJob<Source, Sink>;
  #calibrated: Calibrated = { json: null, warnings: [], problems: undefined };

  constructor(sessions: readonly Session<Source, Sink, Output>[], job: QuantizeJob<Source, Sink>) {
    const [leader] = sessions;
    if (leader === undefined) throw new MonoquantError('internal', 'A run needs a worker.');
    this.#sessions = sessions;
    this.#leader = leader;
    this.#job = job;
  }

  async complete(): Promise<Quantized<Output>> {
    const { configuration, gates, modelClass, run } = this.#job;
    run.onProgress?.({ stage: 'plan', bytes: 0, totalBytes: 0, tensor: '' });
    const engines = await Promise.all(this.#sessions.map(({ engine }) => engine));
    const openStart = performance.now();
    const options = openOptions(configuration, configuration.dequantize !== null, modelClass);
    await this.#ask('open', () => ({ source: this.#job.source, options }));
    this.#calibrated = await calibrateWith(this.#leader, this.#job.calibration, run);
    const plan = await this.#plan([]);
    const encodeStart = performance.now();
    const encoded = await this.#encode(plan);
    const sealed = await this.#leader.request('seal', { results: encoded.answers }, this.#controls);
    const judged = judge(encoded, JSON.parse(sealed) as StageResult, gates);
    const verifyStart = performance.now();
    await this.#ask('verify', () => null, 'verify');
    const output = await this.#leader.request('finish', null, this.#controls);
    const report: Report = {
      version: engines[0]?.version ?? '',
      configuration,
      engine: together(engines),
      sizes: encoded.plan.sizes,
      outputConfig: outputConfig(encoded.plan),
      ...judged,
      timings: {
        planMs: encodeStart - openStart,
        encodeMs: verifyStart - encodeStart,
        verifyMs: performance.now() - verifyStart,
      },
    };
    return { report, output };
  }

  async #plan(unfit: readonly UnfitTensor[]): Promise<Plan> {
    const { configuration, gates } = this.#job;
    const { json: calibration, warnings } = this.#calibrated;
    const parameters = { configuration, unfit, calibration };
    const answer = await this.#leader.request('plan', parameters, this.#controls);
    const plan = parsePlan(configuration, answer, warnings);
    if (configuration.bits !== 'none') gateWork(plan.tensors);
    if (configuration.dequantize !== null) gateCodes(plan.tensors);
    gateWarnings(plan.warnings, gates);
    return plan;
  }

  /** Encodes; where weights turn out unfit for the plan, makes another plan and encodes once more. */
  async #encode(plan: Plan): Promise<Encoded> {
    const first = await this.#encodeShares(plan, []);
    const unfit = unfitTensors(first.results);
    if (unfit.length === 0) return { plan, ...first };
    const changed = await this.#plan(unfit);
    const second = await this.#encodeShares(changed, unfit);
    const again = unfitTensors(second.results)[0];
    if (again === undefined) return { plan: changed, ...second };
    throw new MonoquantError('internal', 'A tensor was found unfit only in the second run.', {
      tensor: plan.tensors[again.tensor]?.name,
    });
  }

  async #encodeShares(plan: Plan, unfit: readonly UnfitTensor[]): Promise<Omit<Encoded, 'plan'>> {
    const { configuration, sink } = this.#job;
    const { json: calibration } = this.#calibrated;
    const count = this.#sessions.length;
    const size = plan.sizes.outputBytes;
    const answers = await this.#ask(
      'encode',
      (index) => ({ configuration, unfit, calibration, share: { index, count }, sink, size }),
      'encode',
    );
    return { answers, results: answers.map((answer) => JSON.parse(answer) as StageResult) };
  }

  /** Asks every worker for its part. */
  async #ask<Kind extends 'open' | 'encode' | 'verify'>(
    kind: Kind,
    parametersOf: (worker: number) => Calls<Source, Sink, Output>[Kind]['parameters'],
    stage?: Progress['stage'],
  ): Promise<readonly Calls<Source, Sink, Output>[Kind]['answer'][]> {
    const { onProgress } = this.#job.run;
    const progress =
      stage === undefined || onProgress === undefined
        ? undefined
        : new StageProgress(stage, this.#sessions.length, onProgress);
    const answers = await Promise.all(
      this.#sessions.map((session, index) =>
        session.request(kind, parametersOf(index), {
          ...this.#controls,
          onProgress: progress?.of(index),
        }),
      ),
    );
    progress?.end();
    return answers;
  }

  get #controls(): RequestControls {
    return { signal: this.#job.run.signal };
  }
}

/** `json` is the engine's answer to a request for a plan. */
export function parsePlan(
  configuration: Configuration,
  json: string,
  dataWarnings: readonly Warning[],
): Plan {
  const document = JSON.parse(json) as Omit<Plan, 'configuration'>;
  const warnings = [...planWarnings(document.tensors, document.warnings), ...dataWarnings];
  return { configuration, ...document, warnings };
}

type Judgement = Pick<Report, 'sqnrDb' | 'tensors' | 'copied' | 'warnings'>;

function judge({ plan, results }: Encoded, sealed: StageResult, gates: Gates): Judgement {
  checkWritten([...results, sealed], plan.sizes.outputBytes);
  const tensors = reportTensors(plan.tensors, results);
  const sqnrDb = meanSqnr(tensors);
  const warnings = [...plan.warnings, ...qualityWarnings(tensors)];
  gateQuality(sqnrDb, tensors, gates);
  gateWarnings(warnings, gates);
  return { sqnrDb, tensors, copied: copiedTensors(plan.tensors), warnings };
}

/** Several workers may have met the same tensor. */
function unfitTensors(results: readonly StageResult[]): readonly UnfitTensor[] {
  const found = new Map<number, UnfitTensor>();
  for (const { unfit = [] } of results) {
    for (const tensor of unfit) {
      if (!found.has(tensor.tensor)) found.set(tensor.tensor, tensor);
    }
  }
  return [...found.values()].sort((a, b) => a.tensor - b.tensor);
}

function together(engines: readonly LoadedEngine[]): EngineInfo {
  const kind = engines[0]?.info.kind ?? 'st';
  return { kind, threads: engines.reduce((sum, { info }) => sum + info.threads, 0) };
}
