/**
 * The model that a caller holds, the same in every host: its calls, done one after the other in one worker.
 * Free functions are calls of a handle that is open for no longer. What the host opened is released once, after the
 * worker has ended.
 */
import { checkBeside } from '../api/beside-weights.js';
import type { CalibrationInput } from '../api/calibration.js';
import { contradiction } from '../api/check.js';
import { FILE_FAULTS, MonoquantError } from '../api/errors.js';
import { fileWarnings, pickleWarnings } from '../api/file-warnings.js';
import { parseJson } from '../api/json.js';
import type { ModelOf, ModelTypes } from '../api/model.js';
import {
  type CalibrateOptions,
  type CompareOptions,
  checkOpening,
  type Opening,
  type QuantizeRequest,
  type RunOptions,
  resolveCalibrate,
  resolveConvert,
  resolveData,
  resolveDequantize,
  resolveOpen,
  resolvePlan,
  resolveQuantize,
  resolveTensor,
  resolveValidate,
  type ValidateOptions,
} from '../api/options.js';
import type { PlanOptions } from '../api/plan-options.js';
import { option, say } from '../api/sentence.js';
import { type TensorData, tensorData } from '../api/tensor-data.js';
import { quantizedHead } from '../api/tied-head.js';
import type {
  Calibration,
  Catalog,
  Comparison,
  Distribution,
  Plan,
  Validation,
} from '../api/types.js';
import { unknownTensor } from '../api/unknown-tensor.js';
import { isShards } from '../engine/shards.js';
import type { OpenOptions } from '../engine/wasm.js';
import { gateWarnings } from '../report/gates.js';
import { unreadable } from '../report/validation.js';
import {
  AS_DATA,
  asDocument,
  type CalibrationPart,
  calibrateWith,
  calibrationOf,
  type OpenedCalibration,
} from './calibrate.js';
import { compareFiles, countValues } from './compare.js';
import { checkPlanned, explained } from './plan-check.js';
import { type Quantized, runJob } from './run.js';
import { withFile } from './session.js';
import { dataOf, validateFile } from './validate.js';
import { type FileFor, type OpenedModel, type SessionFor, Workplace } from './workplace.js';

/** How a host names files and outputs for its workers, besides what callers see of it. */
export interface HostTypes extends ModelTypes {
  source: unknown;
  sink: unknown;
  output: unknown;
}

export interface Host<Types extends HostTypes> {
  /** Whether outputs have paths, so that `output` and `force` mean something. */
  readonly hasPaths: boolean;
  startSession(run: RunOptions): SessionFor<Types['source'], Types['sink'], Types['output']>;
  openModel(named: Types['named']): Promise<OpenedModel<Types['source']>>;
  handle(named: Types['named'], input: ModelIn<Types>, options: HandleOptions): Handle<Types>;
  openCalibration(inputs: readonly CalibrationInput[]): Promise<OpenedCalibration<Types['source']>>;
}

type FileOf<T extends HostTypes> = FileFor<T['source'], T['sink'], T['output']>;
type ModelIn<T extends HostTypes> = OpenedModel<T['source']>;

export interface HandleOptions {
  readonly opening: Opening;
  /** Its engine and threads hold for all calls. */
  readonly run: RunOptions;
  /** Whether tensors stored as codes are seen as values. */
  readonly joined?: boolean;
}

/** What a file that was written by a program is opened as. */
export const WHOLE: Opening = { key: null, stripPrefix: '' };

/** Takes over what the host opened: it is closed with the handle. */
export abstract class Handle<Types extends HostTypes> implements ModelOf<Types> {
  protected readonly input: ModelIn<Types>;
  protected readonly place: Workplace<Types['source'], Types['sink'], Types['output']>;
  protected readonly opening: Opening;
  readonly #host: Host<Types>;
  /** As given when it was opened. */
  protected readonly run: Pick<RunOptions, 'threads' | 'engine'>;
  readonly #joined: boolean;
  #catalog: Catalog | undefined;

  constructor(host: Host<Types>, input: ModelIn<Types>, options: HandleOptions) {
    const { opening, joined = false } = options;
    const { threads, engine } = options.run;
    this.#host = host;
    this.input = input;
    this.opening = opening;
    this.run = {
      ...(threads === undefined ? {} : { threads }),
      ...(engine === undefined ? {} : { engine }),
    };
    this.#joined = joined;
    this.place = new Workplace((signal) =>
      host.startSession({ ...this.run, ...(signal === undefined ? {} : { signal }) }),
    );
  }

  /** Reads what is in the file, before callers get the handle. */
  async readCatalog(run: RunOptions): Promise<void> {
    const { signal } = run;
    const json = await this.place.inTurn(run, async () =>
      (await this.#file(this.#joined, signal)).request('catalog', null, { signal }),
    );
    const { format, ...facts } = parseJson(json);
    const { source } = this.input;
    // The engine knows of one file only.
    const files = isShards(source) ? { files: source.shards.map(({ name }) => name) } : {};
    this.#catalog = { format, ...files, ...facts };
  }

  get catalog(): Catalog {
    if (this.#catalog === undefined) throw new MonoquantError('internal', 'There is no catalog.');
    return this.#catalog;
  }

  async plan(options: PlanOptions = {}): Promise<Plan> {
    const { configuration, calibration } = resolvePlan(options, this.opening);
    const { beside } = this.input;
    checkBeside(beside);
    return this.#withData({}, calibration, async (parts) => {
      const file = await this.#file(this.#joined, undefined);
      const { warnings } = await calibrateWith(file, parts, {});
      const json = await file
        .request('planDocument', { configuration, unfit: [] })
        .catch((error: unknown) => {
          throw explained(error, beside);
        });
      const document = parseJson(json);
      checkPlanned(beside, configuration, quantizedHead(document.tensors));
      return {
        configuration,
        ...document,
        warnings: [...fileWarnings(this.catalog), ...document.warnings, ...warnings],
      };
    });
  }

  async tensor(name: string): Promise<TensorData> {
    const { tensors } = this.catalog;
    const index = tensors.findIndex((candidate) => candidate.name === name);
    const info = tensors[index];
    if (info === undefined) {
      const names = tensors.map((candidate) => candidate.name);
      throw unknownTensor(name, names);
    }
    const bytes = await this.place.inTurn({}, async () =>
      (await this.#file(this.#joined, undefined)).request('tensor', index),
    );
    return tensorData(name, info.dtype, info.shape, bytes);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<TensorData> {
    for (const { name } of this.catalog.tensors) yield await this.tensor(name);
  }

  async quantize(options: Types['quantize'] = {}): Promise<Types['result']> {
    return this.#write(resolveQuantize({ ...this.opening, ...options }, this.#host.hasPaths));
  }

  async convert(options: Types['convert'] = {}): Promise<Types['result']> {
    return this.#write(resolveConvert({ ...this.opening, ...options }, this.#host.hasPaths));
  }

  async dequantize(options: Types['dequantize'] = {}): Promise<Types['result']> {
    return this.#write(resolveDequantize({ ...this.opening, ...options }, this.#host.hasPaths));
  }

  async #write(request: QuantizeRequest): Promise<Types['result']> {
    this.#checkAsOpened(request.run, request.configuration);
    return this.write(request);
  }

  /** Writes an output as the request has it, in turn. */
  protected abstract write(request: QuantizeRequest): Promise<Types['result']>;

  /** The part of `write` that hosts share. `others` are more workers to share the work. */
  protected async encode(
    { configuration, gates, run }: QuantizeRequest,
    sink: Types['sink'],
    calibration: readonly CalibrationPart<Types['source']>[],
    others: readonly SessionFor<Types['source'], Types['sink'], Types['output']>[] = [],
  ): Promise<Quantized<Types['output']>> {
    const { beside } = this.input;
    checkBeside(beside);
    const view = configuration.dequantize === null ? 'raw' : 'unsound';
    const options = this.#optionsOf(this.input, this.opening, view);
    const open = () => this.place.open(this.input, options, run.signal);
    const { source } = this.input;
    const session = this.place.session(run.signal);
    const job = { session, open, others, source, options, sink, calibration };
    return runJob<typeof source, Types['sink'], Types['output']>({
      ...job,
      configuration,
      beside,
      gates,
      run,
    });
  }

  async calibrate(
    data: CalibrationInput | readonly CalibrationInput[],
    options: CalibrateOptions = {},
  ): Promise<Calibration> {
    const { run, opening, strict } = resolveCalibrate({ ...this.opening, ...options });
    this.#checkAsOpened(run, opening);
    return this.#withData(run, resolveData(data), async (parts) => {
      run.onProgress?.({ stage: 'plan', bytes: 0, totalBytes: 0, tensor: '' });
      const file = await this.#file(false, run.signal);
      const found = await calibrateWith(file, parts, run);
      const json = await calibrationOf(file, run.signal);
      if (json === null) throw new MonoquantError('internal', 'There is no calibration.');
      const catalog = parseJson(await file.request('catalog', null, { signal: run.signal }));
      const warnings = [...pickleWarnings(catalog), ...found.warnings];
      const calibration = asDocument(json, { ...found, warnings });
      gateWarnings(calibration.warnings ?? [], { strict });
      this.input.checkUnchanged();
      return calibration;
    });
  }

  async validate({ file, ...options }: ValidateChoices<Types> = {}): Promise<Validation> {
    const { reference = file, ...others } = options;
    if (file !== undefined && options.reference !== undefined) {
      throw contradiction(
        'The reference of another file is this model.',
        say`Leave out ${option('reference')}.`,
      );
    }
    const ofReference = file === undefined ? {} : this.opening;
    const { opening, calibration, run, failUnder, executes } = resolveValidate({
      ...ofReference,
      ...others,
      reference,
    });
    this.#checkAsOpened(run);
    const { signal } = run;
    return this.#withData(run, calibration, async (parts) => {
      const data = dataOf(parts);
      return this.#withOther(reference, async (other) => {
        // With `file` the other one is validated, and this model is its reference.
        const [model, measure] =
          file === undefined || other === undefined ? [this.input, other] : [other, this.input];
        const session = this.place.session(signal);
        let opened: FileOf<Types>;
        try {
          const { fault } = model.beside;
          if (fault !== undefined) throw fault;
          const whole = this.#optionsOf(model, WHOLE, 'unknown');
          opened = await this.place.open(model, whole, signal);
        } catch (error) {
          if (!(error instanceof MonoquantError) || !FILE_FAULTS.includes(error.code)) throw error;
          // A file that cannot be opened is what validation is for.
          const { version } = await session.engine;
          return unreadable(version, error.message, error.tensor);
        }
        const beside =
          measure &&
          (await this.place.open(measure, this.#optionsOf(measure, opening, 'unsound'), signal));
        const job = { file: opened, reference: beside, failUnder, executes, run };
        if (data === undefined) return validateFile({ ...job, data: undefined });
        return withFile(session, data, AS_DATA, signal, (inputs) =>
          validateFile({ ...job, data: inputs }),
        );
      });
    });
  }

  async compare(other: Types['named'], options: CompareOptions = {}): Promise<Comparison> {
    return this.#beside(other, options, compareFiles);
  }

  async distribution(
    other: Types['named'],
    tensor: string,
    options: CompareOptions = {},
  ): Promise<Distribution> {
    const name = resolveTensor(tensor);
    return this.#beside(other, options, (first, second, run) =>
      countValues(first, second, name, run),
    );
  }

  async close(): Promise<void> {
    await this.place.close();
    this.input.close();
  }

  /** Opens another file in the same way, and looks at both. */
  async #beside<Answer>(
    named: Types['named'],
    options: CompareOptions,
    look: (first: FileOf<Types>, second: FileOf<Types>, run: RunOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const { run, opening } = resolveOpen({ ...this.opening, ...options });
    this.#checkAsOpened(run, opening);
    const open = (input: ModelIn<Types>) =>
      this.place.open(input, this.#optionsOf(input, opening, 'unsound'), run.signal);
    return this.place.inTurn(run, () =>
      this.#withOther(named, async (other) => {
        const second = await open(other ?? this.input);
        const first = await open(this.input);
        return look(first, second, run);
      }),
    );
  }

  /** Another model, for the time of some work on it, in turn. */
  async #withOther<Answer>(
    named: Types['named'] | undefined,
    work: (other: ModelIn<Types> | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const other = named === undefined ? undefined : await this.#host.openModel(named);
    try {
      const answer = await work(other);
      this.input.checkUnchanged();
      other?.checkUnchanged();
      return answer;
    } finally {
      if (other !== undefined) await this.place.release(other);
    }
  }

  /** Captured inputs or a calibration, for the time of some work with them, in turn. */
  #withData<Answer>(
    run: RunOptions,
    inputs: readonly CalibrationInput[],
    work: (parts: readonly CalibrationPart<Types['source']>[]) => Promise<Answer>,
  ): Promise<Answer> {
    return this.place.inTurn(run, async () => {
      const opened = await this.#host.openCalibration(inputs);
      try {
        const answer = await work(opened.parts);
        opened.checkUnchanged();
        return answer;
      } finally {
        await this.place.settle();
        opened.close();
      }
    });
  }

  /** This model; `joined`: with its codes as values. */
  #file(joined: boolean, signal: AbortSignal | undefined): Promise<FileOf<Types>> {
    const options = this.#optionsOf(this.input, this.opening, joined ? 'joined' : 'raw');
    return this.place.open(this.input, options, signal);
  }

  #optionsOf({ beside }: ModelIn<Types>, { key, stripPrefix }: Opening, view: View): OpenOptions {
    return {
      ...(key === null ? {} : { key }), // null means the largest state dict, for which the engine has no word
      stripPrefix,
      joinQuantized: view !== 'raw',
      ...(view === 'unknown' || view === 'unsound' ? { refuses: view } : {}),
      ...beside.facts,
    };
  }

  #checkAsOpened({ threads, engine }: RunOptions, opening: Opening = this.opening): void {
    checkOpening(opening, this.opening);
    for (const [key, asked] of Object.entries({ threads, engine })) {
      const opened = this.run[key as 'threads' | 'engine'];
      if (asked === undefined || asked === opened) continue;
      throw contradiction(
        opened === undefined
          ? say`The model was opened without ${option(key)}, but this call is to have ${option(key, asked)}.`
          : say`The model was opened with ${option(key, opened)}, but this call is to have ${option(key, asked)}.`,
        say`Open the model with ${option(key, asked)}, or leave it out here.`,
      );
    }
  }
}

type ValidateChoices<Types extends HostTypes> = ValidateOptions<Types['named']> & {
  readonly file?: Types['named'];
};

/**
 * What is seen of tensors that are stored as codes: these, or, joined, the values that they stand for; then it may be
 * an error if some are in an unknown layout, or if they have a problem, too.
 */
type View = 'raw' | 'joined' | 'unknown' | 'unsound';
