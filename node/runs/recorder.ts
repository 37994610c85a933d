/**
 * Writes a line of a log about a run, when it is over: also about one that has failed.
 * The output has its name by then. A line that cannot be written is a warning of the process: the run itself went well.
 */
import { randomBytes } from 'node:crypto';
import { type CalibrationInput, isCalibration } from '../../js/api/calibration.js';
import { MonoquantError } from '../../js/api/errors.js';
import { GateError } from '../../js/api/gate-error.js';
import {
  newRunId,
  type RecordedCommand,
  RUN_FORMAT,
  type RunFile,
  type RunRecord,
} from '../../js/api/run-record.js';
import { type Results, resultsFor } from '../../js/api/run-results.js';
import { spokenName } from '../../js/api/spoken-url.js';
import type { Report } from '../../js/api/types.js';
import { version } from '../../js/api/version.js';
import { EXIT_CODES } from '../exit-codes.js';
import type { ModelInput } from '../model-input.js';
import { calibrationFiles, type Digesting, knownDigests, modelFiles } from './run-files.js';
import { RunLog } from './run-log.js';
import { writeEvents } from './tensorboard.js';

/** What is known of a run before it begins. */
export interface Attempt {
  readonly command: RecordedCommand;
  readonly model: unknown;
  /** As it was asked for. */
  readonly output: string | undefined;
  readonly options: object;
  readonly input?: ModelInput;
  readonly calibration?: readonly CalibrationInput[];
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
  /** The run that it repeats. */
  readonly parent?: string | undefined;
  /** Is told what was written. */
  readonly onRecord?: ((record: RunRecord) => void) | undefined;
}

/** What a run has made. */
export interface Made {
  readonly report?: Report;
  readonly outputs: () => Promise<readonly RunFile[]>;
  readonly more?: Partial<RunRecord>;
}

/** Failures that a log has, so that nobody writes a second line about one. */
const RECORDED = new WeakSet<object>();

/** Where runs are kept: folders, as options of calls name them. */
export interface Records {
  readonly log?: string | URL | undefined;
  readonly tensorboard?: string | URL | undefined;
}

/** Does the work, and writes what came of it to where it is to be kept, if anywhere. */
export async function recorded<Result>(
  records: Records,
  attempt: Attempt,
  work: () => Promise<Result>,
  madeOf: (result: Result) => Made,
): Promise<Result> {
  if (!isSomewhere(records)) return work();
  const recorder = new Recorder(records, attempt);
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    await recorder.fail(error);
    throw error;
  }
  await recorder.succeed(madeOf(result));
  return result;
}

/** The same of a call that may have failed before anything was known of its files, if the log has no line of it yet. */
export async function recordedFailure<Result>(
  {
    options,
    ...call
  }: Pick<Attempt, 'command' | 'model' | 'parent' | 'onRecord'> & {
    readonly options: (Records & { readonly output?: string | URL }) | undefined;
  },
  work: () => Promise<Result>,
): Promise<Result> {
  // What is no object is for the call to refuse.
  if (!isSomewhere(options)) return work();
  const { output } = options;
  const asked = output === undefined ? undefined : String(output);
  const attempt = { ...call, options, output: asked };
  const recorder = new Recorder(options, attempt);
  try {
    return await work();
  } catch (error) {
    await recorder.fail(error);
    throw error;
  }
}

function isSomewhere(records: Records | null | undefined): records is Records {
  return records?.log !== undefined || records?.tensorboard !== undefined;
}

class Recorder {
  readonly #log: RunLog | undefined;
  readonly #events: string | undefined;
  readonly #attempt: Attempt;
  readonly #started = new Date();
  readonly #start = performance.now();

  /** Throws if the log cannot be written. */
  constructor({ log, tensorboard }: Records, attempt: Attempt) {
    this.#log = log === undefined ? undefined : new RunLog(String(log));
    this.#log?.prepare();
    this.#events = tensorboard === undefined ? undefined : String(tensorboard);
    this.#attempt = attempt;
  }

  async succeed({ report, outputs, more }: Made): Promise<void> {
    await this.#write(
      async () => ({
        ...(report === undefined ? {} : resultsFor(report)),
        ...(await this.#inputs(true)),
        outputs: this.#log === undefined ? [] : await outputs(),
        ...more,
      }),
      report,
    );
  }

  async fail(error: unknown): Promise<void> {
    if (typeof error !== 'object' || error === null || RECORDED.has(error)) return;
    RECORDED.add(error);
    const known = error instanceof MonoquantError ? error : undefined;
    const code = known?.code ?? 'internal';
    const message = error instanceof Error ? error.message : String(error);
    const report = error instanceof GateError ? error.report : undefined;
    const failed: Partial<RunRecord> = {
      ...(report === undefined ? {} : resultsFor(report)),
      exit: EXIT_CODES[code],
      error: { code, message, ...(known?.tensor === undefined ? {} : { tensor: known.tensor }) },
    };
    // Without a report nothing was made of the files: who reads them all for a mistake of a moment?
    await this.#write(
      async () => ({ ...(await this.#inputs(report !== undefined)), ...failed }),
      report,
    );
  }

  /** Digests are for the log. */
  async #inputs(isDone: boolean): Promise<Pick<RunRecord, 'inputs' | 'calibration'>> {
    const { input, calibration = [], signal } = this.#attempt;
    const reads = isDone && this.#log !== undefined;
    const known = reads ? knownDigests(this.#log?.latest() ?? []) : new Map<string, string>();
    const how: Digesting = { known, signal, reads };
    return {
      inputs: input === undefined ? [] : await modelFiles(input, how),
      calibration: await calibrationFiles(calibration, how).catch(() => []),
    };
  }

  async #write(factsOf: () => Promise<Partial<RunRecord>>, report?: Report): Promise<void> {
    const ms = performance.now() - this.#start;
    try {
      const record = { ...this.#known(ms), ...(await factsOf()) };
      this.#log?.append(record);
      if (this.#events !== undefined) writeEvents(this.#events, record, report);
      this.#attempt.onRecord?.(record);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      process.emitWarning(`The run was not recorded: ${why}`, 'MonoquantWarning');
    }
  }

  #known(ms: number): RunRecord {
    const { command, model, output, options, seed, parent } = this.#attempt;
    const none: Results = { version: version(), engine: null, warnings: 0 };
    return {
      format: RUN_FORMAT,
      id: newRunId(this.#started, randomBytes(16)),
      parent: parent ?? null,
      command,
      started: this.#started.toISOString(),
      ms: Math.round(ms),
      exit: 0,
      folder: process.cwd(),
      model: nameOf(model),
      output: output ?? null,
      options: plainOptions(options),
      ...(seed === undefined ? {} : { seed }),
      ...none,
      host: `${process.platform} ${process.arch}, Node ${process.versions.node}`,
      inputs: [],
      calibration: [],
      outputs: [],
      peakBytes: process.resourceUsage().maxRSS * 1024,
    };
  }
}

function nameOf(model: unknown): string | null {
  if (model instanceof URL) return spokenName(model.href);
  return typeof model === 'string' ? spokenName(model) : null;
}

/** Of calls, not of what a file becomes; or said elsewhere. */
const LEFT_OUT = ['signal', 'onProgress', 'log', 'tensorboard', 'output', 'force', 'resume'];

/** What JSON can hold of them; files by their names. */
function plainOptions(options: object): Readonly<Record<string, unknown>> {
  const kept = Object.entries(options).filter(
    ([key, value]) => !LEFT_OUT.includes(key) && typeof value !== 'function',
  );
  const text = JSON.stringify(Object.fromEntries(kept), plain);
  return JSON.parse(text) as Readonly<Record<string, unknown>>;
}

/** What was given as an object or as bytes may be as large as a model. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === 'string') return spokenName(value);
  return isCalibration(value) || ArrayBuffer.isView(value) ? null : value;
}
