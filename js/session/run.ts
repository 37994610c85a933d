/**
 * A whole run on one or several workers: plan, encode, judge, read back, report.
 * Nothing counts as done that was not read back; what comes out does not depend on how many share it.
 */
import type { BesideWeights } from '../api/beside-weights.js';
import { MonoquantError } from '../api/errors.js';
import { parseJson, toJson } from '../api/json.js';
import type { Gates, RunOptions } from '../api/options.js';
import { option, say } from '../api/sentence.js';
import type { SideFolder } from '../api/side-folder.js';
import type { Configuration, EngineInfo, Progress, Report, Warning } from '../api/types.js';
import type { UnfitTensor } from '../engine/engine-options.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import type { BandRecord, OpenOptions, Part } from '../engine/wasm.js';
import { gateCodes, gateQuality, gateWarnings, gateWork } from '../report/gates.js';
import type { RunPlan } from '../report/report.js';
import { checkWritten } from '../report/written.js';
import type { PlanFacts, PlannedFile } from '../worker/plan-facts.js';
import type { Calls, EncodedShare, LoadedEngine, Records } from '../worker/protocol.js';
import type { Rescaling } from '../worker/rescaling.js';
import { segmentsOf } from '../worker/segments.js';
import { rowsOf } from '../worker/table.js';
import type { SharedBudget } from './budget.js';
import {
  AS_DATA,
  type CalibrationPart,
  calibrateWith,
  calibrationOf,
  inputsFor,
} from './calibrate.js';
import type { RunJournal, TailOf } from './journal.js';
import type { Look } from './look.js';
import { packFrames } from './packing.js';
import { checkPlanned, explained } from './plan-check.js';
import { type RemoteFile, type Session, withFile } from './session.js';
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
  /** Takes a place for what was planned; a later one is instead of it. Without it nothing is kept. */
  readonly place?: ((files: readonly PlannedFile[]) => Sink) | undefined;
  /** Where the output is to be compressed, if it is. */
  readonly packed?: Sink | undefined;
  /** Whether the output may be several files. */
  readonly divides: boolean;
  readonly configuration: Configuration;
  readonly beside: BesideWeights;
  readonly readFolder: () => Promise<SideFolder | undefined>;
  readonly calibration: readonly CalibrationPart<Source>[];
  readonly gates: Gates;
  readonly run: RunOptions;
  /** What tensors have each for itself beside the configuration, and what is said of it, if it is of a budget. */
  readonly mix?: (Pick<SharedBudget, 'choices'> & Partial<SharedBudget>) | undefined;
  readonly journal?: RunJournal | undefined;
  /** If only a part of the output is to be made. It is recorded. */
  readonly part?: PartJob | undefined;
  /** Values of each tensor that are looked at, if they are only to be measured; else all. */
  readonly sample?: number | undefined;
}

export interface PartJob extends Part {
  readonly tailOf: TailOf;
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

/** Encodes, and keeps nothing: the report is all that comes of it. */
export async function measureJob<Source, Sink, Output>(
  job: RunJob<Source, Sink, Output>,
): Promise<Report> {
  const run = new Run(job);
  try {
    return await run.measured();
  } finally {
    await run.release();
  }
}

/** Encodes to a place that nobody keeps, and has somebody look at what is there. */
export async function examineJob<Source, Sink, Output, Found>(
  job: RunJob<Source, Sink, Output>,
  look: Look<Source, Sink, Output, Found>,
): Promise<{ readonly report: Report; readonly found: Found }> {
  const run = new Run(job);
  try {
    return await run.examined(look);
  } finally {
    await run.release();
  }
}

class Run<Source, Sink, Output> {
  readonly #job: RunJob<Source, Sink, Output>;
  /** The model in every worker; the first one leads. */
  #files: readonly RemoteFile<Source, Sink, Output>[] = [];
  /** About the data of the calibration. */
  #dataWarnings: readonly Warning[] = [];
  /** By how much layers are rescaled: a plan that is made again has the same. */
  #rescaling: Rescaling | undefined;
  /** Of the output, that an earlier run has left. */
  #resumedBytes = 0;

  constructor(job: RunJob<Source, Sink, Output>) {
    this.#job = job;
  }

  async complete(): Promise<Quantized<Output>> {
    const { gates } = this.#job;
    const { plan, shares, report: encoded } = await this.#made();
    const sealStart = performance.now();
    if (this.#job.part === undefined) {
      const checksums = shares.map((share) => share.checksums);
      const sealed = await this.#lead('seal', checksums);
      checkWritten(shares, sealed, plan.sizes.outputBytes);
    }
    const verifyStart = performance.now();
    const { encodeMs } = encoded.timings;
    const report: Report = {
      ...encoded,
      timings: { ...encoded.timings, encodeMs: encodeMs + verifyStart - sealStart },
    };
    if (this.#job.part === undefined) {
      gateQuality(report.tensors, gates, report);
      gateWarnings(report.warnings, gates, report);
    }
    await this.#ask('verify', () => null);
    const part = await this.#endPart(plan.facts);
    const packStart = performance.now();
    const packedBytes = await this.#pack(plan.sizes.outputBytes);
    const compressMs = performance.now() - packStart;
    const output = await this.#lead('finish', null);
    const timings = { ...report.timings, verifyMs: packStart - verifyStart };
    if (part !== undefined) return { report: { ...report, part, timings }, output };
    if (packedBytes === undefined) return { report: { ...report, timings }, output };
    const sizes = { ...report.sizes, packedBytes };
    return { report: { ...report, sizes, timings: { ...timings, compressMs } }, output };
  }

  /** What was lost, and how long it took; what was written is void. */
  async measured(): Promise<Report> {
    return (await this.#made()).report;
  }

  /** The same, and what is seen in the output. */
  async examined<Found>(
    look: Look<Source, Sink, Output, Found>,
  ): Promise<{ readonly report: Report; readonly found: Found }> {
    const { plan, shares, report } = await this.#made();
    const checksums = shares.map((share) => share.checksums);
    checkWritten(shares, await this.#lead('seal', checksums), plan.sizes.outputBytes);
    const { session, run } = this.#job;
    const [leader] = this.#files;
    if (leader === undefined) throw new MonoquantError('internal', 'A run needs a worker.');
    const output = await session.openOutput(leader, { signal: run.signal });
    try {
      return { report, found: await look(leader, output) };
    } finally {
      await output.close();
    }
  }

  /** All that comes before what is written counts. */
  async #made(): Promise<Made> {
    const { session, others, configuration, run } = this.#job;
    run.onProgress?.({ stage: 'plan', bytes: 0, totalBytes: 0, fraction: 0, tensor: '' });
    const engines = await Promise.all([session, ...others].map(({ engine }) => engine));
    const openStart = performance.now();
    await this.#open();
    const planned = await this.#plan(await this.#earlierUnfit());
    const encodeStart = performance.now();
    const { plan, shares } = await this.#encode(planned);
    const encodeEnd = performance.now();
    const isPart = this.#job.part !== undefined;
    // Not before there is something to report: a page waits for all that is imported above.
    const { resultsOf, withoutQuality } = await import('../report/report.js');
    const results = isPart ? withoutQuality(plan) : await resultsOf(plan, shares);
    const report: Report = {
      version: engines[0]?.version ?? '',
      configuration,
      engine: together(engines),
      sizes: plan.sizes,
      files: plan.files.map(({ bytes }) => bytes),
      outputConfig: plan.outputConfig,
      ...(this.#job.mix?.describe && { mix: this.#job.mix.describe(plan.sizes.outputBytes) }),
      ...(this.#resumedBytes > 0 && { resumedBytes: this.#resumedBytes }),
      ...results,
      timings: {
        planMs: encodeStart - openStart,
        encodeMs: encodeEnd - encodeStart,
        verifyMs: 0,
      },
    };
    return { plan, shares, report };
  }

  async #endPart(facts: PlanFacts): Promise<Report['part']> {
    const { part, journal, packed: sink } = this.#job;
    if (part === undefined) return undefined;
    if (journal === undefined || sink === undefined) {
      throw new MonoquantError('internal', 'A part needs a journal and a place.');
    }
    const rows = inOrder(journal.records().flatMap((some) => parseJson(some)));
    const records = rows.map((row) => toJson([row]));
    const extents = rows.flatMap(([, , ranges]) =>
      ranges.map(([offset, bytes]) => ({ offset, bytes })),
    );
    const segments = segmentsOf(extents);
    const tail = part.tailOf(facts, segments, records);
    await this.#lead('endPart', { sink, content: { segments, tail, records } });
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    return { number: part.index + 1, count: part.count, bytes };
  }

  /** Compresses what was verified, if that is wanted. Answers how many bytes that takes. */
  async #pack(size: number): Promise<number | undefined> {
    const { packed: sink, configuration, run, part } = this.#job;
    const { zstdLevel: level } = configuration;
    if (sink === undefined || level === null || part !== undefined) return undefined;
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
    await this.#tellFolder();
    const { warnings } = await calibrateWith(leader, calibration, run);
    this.#dataWarnings = warnings;
    if (followers.length === 0 || calibration.length === 0) return;
    const json = await calibrationOf(leader, run.signal);
    await Promise.all(
      followers.map((file) => file.request('setCalibration', json, { signal: run.signal })),
    );
  }

  /** What is beside the weights, if the output needs it. */
  async #tellFolder(): Promise<void> {
    const { configuration, readFolder, run } = this.#job;
    if (configuration.container !== 'gguf') return;
    const folder = await readFolder();
    const controls = { signal: run.signal };
    await Promise.all(this.#files.map((file) => file.request('setFolder', folder, controls)));
  }

  async #plan(unfit: readonly UnfitTensor[]): Promise<PlannedRun> {
    const { beside, configuration, divides, gates, run } = this.#job;
    const controls = { signal: run.signal };
    const plain = { configuration, divides, unfit, mix: this.#job.mix?.choices };
    this.#rescaling ??=
      configuration.smooth === 'off' ? undefined : await this.#lead('rescale', plain);
    const choice = { ...plain, rescaling: this.#rescaling };
    await Promise.all(this.#files.map((file) => file.request('plan', choice, controls))).catch(
      (error: unknown) => {
        throw explained(error, beside);
      },
    );
    const facts = await this.#lead('planFacts', null);
    checkPlanned(beside, configuration, facts.quantizedTie);
    const rows = rowsOf(facts.tensors);
    const tensors = this.#job.mix?.named?.(rows) ?? rows;
    const warnings = [...facts.warnings, ...this.#dataWarnings];
    inputsFor(configuration, tensors, this.#job.calibration);
    if (configuration.bits !== 'none') gateWork(tensors, warnings);
    if (configuration.dequantize !== null) gateCodes(tensors, warnings);
    gateWarnings(warnings, gates);
    return { ...facts, facts, unfit, tensors, warnings };
  }

  async #earlierUnfit(): Promise<readonly UnfitTensor[]> {
    const { journal, calibration, run } = this.#job;
    const [leader] = this.#files;
    if (journal === undefined || leader === undefined) return [];
    const json = calibration.length === 0 ? null : await calibrationOf(leader, run.signal);
    return journal.earlierUnfit(json);
  }

  /** Encodes. If weights turn out unfit for the plan, makes another plan and encodes once more. */
  async #encode(plan: PlannedRun): Promise<{ plan: PlannedRun; shares: readonly EncodedShare[] }> {
    const first = await this.#encodeShares(plan);
    const unfit = unfitTensors(first);
    if (unfit.length === 0) return { plan, shares: first };
    if (this.#job.part !== undefined) throw unfitInPart(plan, unfit);
    const changed = await this.#plan([...plan.unfit, ...unfit]);
    const second = await this.#encodeShares(changed);
    const again = unfitTensors(second)[0];
    if (again === undefined) return { plan: changed, shares: second };
    throw new MonoquantError('internal', 'A tensor was found unfit only in the second run.', {
      tensor: plan.tensors[again.tensor]?.name,
    });
  }

  async #encodeShares({
    sizes,
    files,
    unfit,
    tensors,
  }: PlannedRun): Promise<readonly EncodedShare[]> {
    const { place, journal, part = { index: 0, count: 1 }, sample = 0 } = this.#job;
    const sink = place?.(files) ?? null;
    const count = this.#files.length;
    const size = sizes.outputBytes;
    const earlier = journal?.earlierRecords(unfit, size) ?? [];
    const done = sink === null ? [] : await this.#done({ sink, size, done: earlier });
    journal?.begin(unfit, size, done);
    return this.#withInputs(tensors, (inputs) =>
      this.#ask('encode', (index) => ({
        share: { index, count, part: { index: part.index, count: part.count }, sample },
        sink,
        size,
        done,
        inputs: inputs[index] ?? [],
        journal: journal?.place,
      })),
    );
  }

  /** With the numbers of the captured inputs in every worker, if methods need them while they round. */
  #withInputs<Answer>(
    tensors: PlannedRun['tensors'],
    work: (inputs: readonly (readonly number[])[]) => Promise<Answer>,
  ): Promise<Answer> {
    const sources = inputsFor(this.#job.configuration, tensors, this.#job.calibration);
    const { signal } = this.#job.run;
    const opened: number[][] = this.#files.map(() => []);
    const openRest = (file: number, source: number): Promise<Answer> => {
      const { session } = this.#files[file] ?? {};
      const data = sources[source];
      if (session === undefined) return work(opened);
      if (data === undefined) return openRest(file + 1, 0);
      return withFile(session, data, AS_DATA, signal, ({ number }) => {
        opened[file]?.push(number);
        return openRest(file, source + 1);
      });
    };
    return openRest(0, 0);
  }

  /** What an earlier run has done, as far as it stands in the output. */
  async #done(claimed: Calls<Source, Sink, Output>['recheck']['parameters']): Promise<Records> {
    if (claimed.done.length === 0) return [];
    const done = await withStage('resume', this.#job.run, ({ onProgress }) =>
      this.#lead('recheck', claimed, onProgress),
    );
    this.#resumedBytes = done
      .flatMap((some) => parseJson(some))
      .flatMap(([tensor, , ranges]) => (tensor === null ? [] : ranges))
      .reduce((sum, [, bytes]) => sum + bytes, 0);
    return done;
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
  #lead<
    Kind extends 'rescale' | 'planFacts' | 'recheck' | 'seal' | 'endPart' | 'endPacked' | 'finish',
  >(
    kind: Kind,
    parameters: Calls<Source, Sink, Output>[Kind]['parameters'],
    onProgress?: OnStageProgress,
  ): Promise<Calls<Source, Sink, Output>[Kind]['answer']> {
    const [leader] = this.#files;
    if (leader === undefined) throw new MonoquantError('internal', 'A run needs a worker.');
    return leader.request(kind, parameters, { signal: this.#job.run.signal, onProgress });
  }
}

interface Made {
  readonly plan: PlannedRun;
  readonly shares: readonly EncodedShare[];
  readonly report: Report;
}

interface PlannedRun extends RunPlan {
  /** As it crosses borders. */
  readonly facts: PlanFacts;
  /** The tensors with which it was made. */
  readonly unfit: readonly UnfitTensor[];
}

/** In the order of the plan, whoever was quicker. */
function inOrder(records: readonly BandRecord[]): readonly BandRecord[] {
  return [...records].sort(([a, band], [b, other]) => (a ?? -1) - (b ?? -1) || band - other);
}

/** The other parts know nothing of it, and all have to be made by one plan. */
function unfitInPart({ tensors }: RunPlan, unfit: readonly UnfitTensor[]): MonoquantError {
  const names = unfit.map(({ tensor }) => tensors[tensor]?.name ?? '');
  const [name = ''] = names;
  const others = names.length > 1 ? ` and ${names.length - 1} more` : '';
  return new MonoquantError(
    'invalid-options',
    `Expected weights that can be quantized, found ${unfit[0]?.explanation ?? 'others'} in "${name}"${others}.`,
    {
      suggestion: say`Make every part with ${option('ignore', names.join())}: all parts have to follow one plan.`,
      tensor: name,
    },
  );
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
