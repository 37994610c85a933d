/**
 * The model that a caller holds, the same in every host: its calls, done one after the other in one worker.
 * Free functions are calls of a handle that is open for no longer. What the host opened is released once, after the
 * worker has ended.
 */
import { checkBeside } from '../api/beside-weights.js';
import type { CalibrationInput } from '../api/calibration.js';
import { checkOneFile } from '../api/configuration.js';
import { ASYNC_DISPOSE } from '../api/disposal.js';
import { MonoquantError } from '../api/errors.js';
import { pickleWarnings } from '../api/file-warnings.js';
import { joined, parseJson } from '../api/json.js';
import {
  type CalibrateRequest,
  type CompareOptions,
  calibrationIn,
  openingFor,
  type QuantizeRequest,
  type RunOptions,
  resolveCalibrate,
  resolveConvert,
  resolveData,
  resolveDequantize,
  resolvePlan,
  resolveQuantize,
  resolveTensor,
} from '../api/options.js';
import { withThreshold } from '../api/outlier-threshold.js';
import type { PlanOptions } from '../api/plan-options.js';
import type { SearchOptions } from '../api/search-options.js';
import type { Sensitivity } from '../api/sensitivity.js';
import type { SensitivityOptions } from '../api/sensitivity-options.js';
import { type TensorData, tensorData } from '../api/tensor-data.js';
import { quantizedTie } from '../api/tied-head.js';
import type {
  Calibration,
  Catalog,
  Comparison,
  Configuration,
  Distribution,
  Front,
  Plan,
  Report,
  SizeCurve,
  Validation,
} from '../api/types.js';
import { unknownTensor } from '../api/unknown-tensor.js';
import { isShards, type OneOrShards } from '../engine/shards.js';
import type { PlanDocument } from '../engine/wasm.js';
import { gateWarnings } from '../report/gates.js';
import type { PlannedFile } from '../worker/plan-facts.js';
import type { BitChoice, Encoding, Measuring } from './bit-choice.js';
import type { SharedBudget } from './budget.js';
import {
  asDocument,
  type CalibrationPart,
  type CalibrationPlace,
  calibrateWith,
  calibrationOf,
  inputsFor,
  writeStatistics,
} from './calibrate.js';
import { compareFiles, countValues, lookAtBoth } from './compare.js';
import type { HandleOptions, Host, HostTypes, OpenHandle } from './host.js';
import type { RunJournal } from './journal.js';
import type { Look } from './look.js';
import { type FileOf, type ModelIn, ModelPlace, type SessionOf } from './model-place.js';
import { checkPlanned, explained } from './plan-check.js';
import { examineJob, measureJob, type PartJob, type Quantized, runJob } from './run.js';
import type { TableStore } from './table-store.js';
import { type ValidateChoices, validateModel } from './validate.js';
import { takesValues, viewOf } from './view.js';

/** How a host has an output written. */
export interface Writing<Types extends HostTypes> {
  /** Takes a place for the files that were planned; a later one is instead of it. */
  readonly place: (files: readonly PlannedFile[]) => Types['sink'];
  /** Where the output is to be compressed, if it is. */
  readonly packed?: Types['sink'] | undefined;
  /** Whether they may be several. */
  readonly divides: boolean;
  readonly calibration: readonly CalibrationPart<Types['source']>[];
  readonly journal?: RunJournal | undefined;
  readonly part?: PartJob | undefined;
  /** More workers to share the work. */
  readonly others?: readonly SessionOf<Types>[];
}

/** A place for an output that is looked at and never kept. */
export interface Scratch<Sink> {
  readonly place: (files: readonly PlannedFile[]) => Sink;
  /** No worker touches it any more. */
  release(): void | Promise<void>;
}

export interface Helpers<Types extends HostTypes> {
  readonly sessions: readonly SessionOf<Types>[];
  /** They may be of use to others. */
  leave(): void;
}

/** Takes over what the host opened: it is closed with the handle. */
export abstract class Handle<Types extends HostTypes> implements OpenHandle<Types> {
  protected readonly place: ModelPlace<Types>;
  #bits: BitChoice<Types> | undefined;
  readonly #hasPaths: boolean;
  readonly #joined: boolean;
  #catalog: Catalog | undefined;
  /** Of each tensor in the catalog, once one was asked for: looking through all of them each time takes too long. */
  #indices: ReadonlyMap<string, number> | undefined;

  constructor(host: Host<Types>, input: ModelIn<Types>, options: HandleOptions) {
    this.place = new ModelPlace(host, input, options);
    this.#hasPaths = host.hasPaths;
    this.#joined = options.joined ?? false;
  }

  /** Reads what is in the file, before callers get the handle. */
  async readCatalog(run: RunOptions): Promise<void> {
    const { signal } = run;
    const catalog = await this.place.inTurn(run, async () =>
      (await this.#file(this.#joined, run)).request('partedCatalog', null, { signal }),
    );
    const { format, ...facts } = await joined<'tensors', Catalog>(catalog);
    const { source } = this.place.input;
    // The engine knows of one file only.
    const files = isShards(source) ? { files: source.shards.map(({ name }) => name) } : {};
    this.#catalog = { format, ...files, ...facts };
  }

  get catalog(): Catalog {
    if (this.#catalog === undefined) throw new MonoquantError('internal', 'There is no catalog.');
    return this.#catalog;
  }

  plan(options: PlanOptions = {}): Promise<Plan> {
    return this.planFor(options, this.#hasPaths);
  }

  /** `divides`: whether the output may be several files. */
  protected async planFor(options: PlanOptions, divides: boolean): Promise<Plan> {
    const { configuration, calibration } = resolvePlan(options, this.place.opening);
    const isOne = !divides || configuration.zstdLevel !== null;
    if (isOne) checkOneFile(configuration, this.#hasPaths ? 'one file' : 'one Blob');
    const { beside } = this.place.input;
    checkBeside(beside);
    return this.place.withData({}, calibration, async (parts) => {
      const { input, opening } = this.place;
      const file = await (configuration.requantize
        ? this.place.open(input, opening, 'unsound', {})
        : this.#file(this.#joined, {}));
      const { warnings } = await calibrateWith(file, parts, {});
      if (configuration.container === 'gguf') {
        await file.request('setFolder', await input.readFolder());
      }
      const terms = { calibration: parts, divides: !isOne };
      const shared = await this.#sharedBudget({ configuration, run: {} }, terms);
      const choice = { configuration, divides: !isOne, unfit: [], mix: shared?.choices };
      const { plan, before } = await file
        .request('planDocument', choice)
        .catch((error: unknown) => {
          throw explained(error, beside);
        });
      const document = await joined<'tensors', PlanDocument>(plan);
      checkPlanned(beside, configuration, quantizedTie(document.tensors));
      inputsFor(configuration, document.tensors, parts);
      return {
        configuration,
        ...(shared && { mix: shared.describe(document.sizes.outputBytes) }),
        ...document,
        quantizationConfig: withThreshold(document.quantizationConfig, configuration.outliers),
        tensors: shared?.named(document.tensors) ?? document.tensors,
        warnings: [...before, ...document.warnings, ...warnings],
      };
    });
  }

  async tensor(named: string): Promise<TensorData> {
    const name = resolveTensor(named);
    const { tensors } = this.catalog;
    this.#indices ??= new Map(tensors.map((info, index) => [info.name, index]));
    const index = this.#indices.get(name) ?? -1;
    const info = tensors[index];
    if (info === undefined) {
      const names = tensors.map((candidate) => candidate.name);
      throw unknownTensor(name, names);
    }
    const bytes = await this.place.inTurn({}, async () =>
      (await this.#file(this.#joined, {})).request('tensor', index),
    );
    return tensorData(name, info.dtype, info.shape, bytes);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<TensorData> {
    for (const { name } of this.catalog.tensors) yield await this.tensor(name);
  }

  async quantize(options: Types['quantize'] = {}): Promise<Types['result']> {
    return this.#write(resolveQuantize({ ...this.place.opening, ...options }, this.#hasPaths));
  }

  async convert(options: Types['convert'] = {}): Promise<Types['result']> {
    return this.#write(resolveConvert({ ...this.place.opening, ...options }, this.#hasPaths));
  }

  async dequantize(options: Types['dequantize'] = {}): Promise<Types['result']> {
    return this.#write(resolveDequantize({ ...this.place.opening, ...options }, this.#hasPaths));
  }

  async #write(request: QuantizeRequest): Promise<Types['result']> {
    this.place.checkAsOpened(request.run, request.configuration);
    return this.write(request);
  }

  /** Writes an output as the request has it, in turn. */
  protected abstract write(request: QuantizeRequest): Promise<Types['result']>;

  /** The part of `write` that hosts share. */
  protected async encode(
    request: QuantizeRequest,
    writing: Writing<Types>,
  ): Promise<Quantized<Types['output']>> {
    const mix = await this.#sharedBudget(request, writing);
    return runJob({ ...this.#job(request, writing), mix });
  }

  /** The same, for the report alone: nothing is written. */
  protected async measured(
    request: Encoding,
    { sample, choices, ...measuring }: Measuring<Types>,
  ): Promise<Report> {
    const mix = choices ? { choices } : await this.#sharedBudget(request, measuring);
    const helpers = this.helpers(request.run);
    try {
      const job = this.#job(request, { ...measuring, others: helpers.sessions });
      return await measureJob({ ...job, sample, mix });
    } finally {
      helpers.leave();
    }
  }

  /** The same, with an output for as long as somebody looks at it. */
  protected async examined<Found>(
    request: Encoding,
    { choices = [], ...measuring }: Measuring<Types>,
    look: Look<OneOrShards<Types['source']>, Types['sink'], Types['output'], Found>,
  ): Promise<{ readonly report: Report; readonly found: Found }> {
    const scratch = await this.scratch(request.configuration);
    const helpers = this.helpers(request.run);
    try {
      const { place } = scratch;
      const job = this.#job(request, { ...measuring, place, others: helpers.sessions });
      return await examineJob({ ...job, mix: { choices } }, look);
    } finally {
      helpers.leave();
      await scratch.release();
    }
  }

  /** Where tables of sensitivities are kept for other processes. */
  protected tables(): TableStore<Types['source']> | undefined {
    return undefined;
  }

  protected abstract scratch(configuration: Configuration): Promise<Scratch<Types['sink']>>;

  /** More workers to share the work, where the host has them. */
  protected helpers(_run: RunOptions): Helpers<Types> {
    return { sessions: [], leave: () => {} };
  }

  #job<Rest extends Measuring<Types>>(
    { configuration, gates, run }: Encoding,
    { others = [], ...terms }: Rest,
  ) {
    const { input, opening } = this.place;
    const { beside } = input;
    checkBeside(beside);
    const view = takesValues(configuration) ? 'unsound' : 'raw';
    const { source, isPacked = false } = input;
    return {
      session: this.place.session(run.signal),
      open: () => this.place.open(input, opening, view, run),
      others,
      source,
      isPacked,
      options: viewOf(input, opening, view),
      ...terms,
      configuration,
      beside,
      readFolder: () => input.readFolder(),
      gates,
      run,
    };
  }

  async calibrate(
    data: CalibrationInput | readonly CalibrationInput[],
    options: Types['calibrate'] = {},
  ): Promise<Calibration> {
    const request = resolveCalibrate({ ...this.place.opening, ...options }, this.#hasPaths);
    const { run, opening } = request;
    this.place.checkAsOpened(run, opening);
    const inputs = resolveData(data);
    const kept = this.keep(request, inputs);
    try {
      return await this.#calibrate(request, inputs, kept);
    } finally {
      kept?.discard();
    }
  }

  /** Takes the place that was asked for. */
  protected keep(
    _request: CalibrateRequest,
    _inputs: readonly CalibrationInput[],
  ): CalibrationPlace<Types['sink']> | undefined {
    return undefined;
  }

  #calibrate(
    { run, strict }: CalibrateRequest,
    inputs: readonly CalibrationInput[],
    kept: CalibrationPlace<Types['sink']> | undefined,
  ): Promise<Calibration> {
    return this.place.withData(run, inputs, async (parts) => {
      run.onProgress?.({ stage: 'plan', bytes: 0, totalBytes: 0, fraction: 0, tensor: '' });
      const file = await this.#file(false, run);
      const found = await calibrateWith(file, parts, run, { asGiven: true });
      const json = await calibrationOf(file, run.signal);
      if (json === null) throw new MonoquantError('internal', 'There is no calibration.');
      const catalog = parseJson(await file.request('catalog', null, { signal: run.signal }));
      const warnings = [...pickleWarnings(catalog), ...found.warnings];
      const calibration = asDocument(json, { ...found, warnings });
      gateWarnings(calibration.warnings ?? [], { strict });
      if (kept?.sink === undefined) kept?.fill(calibration);
      else {
        const { sink, takesSecondMoments: secondMoments } = kept;
        await writeStatistics(file, parts, { sink, secondMoments }, run);
      }
      await this.place.input.checkUnchanged();
      await kept?.publish();
      return calibration;
    });
  }

  sensitivity(options: SensitivityOptions = {}): Promise<Sensitivity> {
    return this.#withBits(options, (bits, data) => bits.sensitivity(options, data));
  }

  sizeCurve(options: SensitivityOptions = {}): Promise<SizeCurve> {
    return this.#withBits(options, (bits, data) => bits.sizeCurve(options, data));
  }

  search(options: SearchOptions = {}): Promise<Front> {
    return this.#withBits(options, (bits, data) => bits.search(options, data));
  }

  /** In turn, and with the data open. */
  async #withBits<Answer>(
    options: SensitivityOptions | SearchOptions,
    call: (
      bits: BitChoice<Types>,
      data: readonly CalibrationPart<Types['source']>[],
    ) => Promise<Answer>,
  ): Promise<Answer> {
    const { run } = openingFor(options);
    return this.place.withData(run, calibrationIn(options), async (data) => {
      const answer = await call(await this.#bitChoice(), data);
      await this.place.input.checkUnchanged();
      return answer;
    });
  }

  async #bitChoice(): Promise<BitChoice<Types>> {
    const { BitChoice } = await import('./seldom.js');
    this.#bits ??= new BitChoice(this.place, {
      measured: (request, terms) => this.measured(request, terms),
      examined: (request, terms, look) => this.examined(request, terms, look),
      tables: this.tables(),
    });
    return this.#bits;
  }

  async #sharedBudget(
    request: Pick<Encoding, 'configuration' | 'run'>,
    terms: Pick<Measuring<Types>, 'calibration' | 'divides'>,
  ): Promise<SharedBudget | undefined> {
    if (request.configuration.budget === null) return undefined;
    return (await this.#bitChoice()).sharedBudget(request, terms);
  }

  async validate(choices: ValidateChoices<Types> = {}): Promise<Validation> {
    return validateModel(this.place, choices);
  }

  async compare(other: Types['named'], options: CompareOptions = {}): Promise<Comparison> {
    return lookAtBoth(this.place, other, options, compareFiles);
  }

  async distribution(
    other: Types['named'],
    tensor: string,
    options: CompareOptions = {},
  ): Promise<Distribution> {
    const name = resolveTensor(tensor);
    return lookAtBoth(this.place, other, options, (first, second, run) =>
      countValues(first, second, name, run),
    );
  }

  get names(): readonly string[] {
    return this.catalog.tensors.map(({ name }) => name);
  }

  has(name: string): boolean {
    return this.catalog.tensors.some((tensor) => tensor.name === name);
  }

  close(): Promise<void> {
    return this.place.close();
  }

  [ASYNC_DISPOSE](): Promise<void> {
    return this.close();
  }

  /** This model; `joined`: with its codes as values. */
  #file(joined: boolean, run: RunOptions): Promise<FileOf<Types>> {
    const { input, opening } = this.place;
    return this.place.open(input, opening, joined ? 'joined' : 'raw', run);
  }
}
