/**
 * Which bits are worth what: the calls of a model that measure it under many settings, and what follows from that.
 * It exists beside the handle because they have in common how the model is measured, and share nothing else with it.
 */
import { joined, parseJson, toJson } from '../api/json.js';
import type { Gates, QuantizeRequest, RunOptions } from '../api/options.js';
import { resolveSearch, type SearchOptions } from '../api/search-options.js';
import type { Sensitivity } from '../api/sensitivity.js';
import {
  resolveSensitivity,
  resolveWholeSensitivity,
  type SensitivityOptions,
  type SensitivityRequest,
  settingsOfBudget,
  settingsToMix,
} from '../api/sensitivity-options.js';
import type { SizeCurve } from '../api/size-curve.js';
import type { Configuration, Front, Report } from '../api/types.js';
import type { TensorChoices } from '../engine/engine-options.js';
import type { OneOrShards } from '../engine/shards.js';
import type { PlanDocument } from '../engine/wasm.js';
import { type SharedBudget, shareBudget, sizeCurveOf } from './budget.js';
import type { CalibrationPart } from './calibrate.js';
import { type Examined, examine, isExecuted } from './examination.js';
import type { HostTypes } from './host.js';
import type { Look } from './look.js';
import type { FileOf, ModelPlace, SessionOf } from './model-place.js';
import { type Encoded, searchFront } from './search.js';
import { type Measured, sensitivityOf } from './sensitivity.js';
import { isWhole, type KeptTable, type TableStore } from './table-store.js';
import { takesValues } from './view.js';

/** What an encoding has to obey. */
export type Encoding = Pick<QuantizeRequest, 'configuration' | 'gates' | 'run'>;

/** How a model is encoded for its report alone. */
export interface Measuring<Types extends HostTypes> {
  /** Whether the output may be several files. */
  readonly divides: boolean;
  readonly calibration: readonly CalibrationPart<Types['source']>[];
  /** More workers to share the work. */
  readonly others?: readonly SessionOf<Types>[];
  /** Values of each tensor that are looked at; all without it. */
  readonly sample?: number;
  /** What tensors have each for itself. */
  readonly choices?: readonly TensorChoices[];
}

/** What the calls have a model do. */
export interface Encoder<Types extends HostTypes> {
  /** Encodes it and keeps nothing. */
  measured(request: Encoding, terms: Measuring<Types>): Promise<Report>;
  /** Encodes it to where somebody can look at the output, which is void then. */
  examined<Found>(
    request: Encoding,
    terms: Measuring<Types>,
    look: Look<OneOrShards<Types['source']>, Types['sink'], Types['output'], Found>,
  ): Promise<{ readonly report: Report; readonly found: Found }>;
  /** Where tables are kept, if anywhere. */
  readonly tables: TableStore<Types['source']> | undefined;
}

/** Open captured inputs. */
type Data<Types extends HostTypes> = readonly CalibrationPart<Types['source']>[];

const NO_GATES: Gates = { failUnder: undefined, strict: false };

/** Its calls are made in the model's turn. */
export class BitChoice<Types extends HostTypes> {
  readonly #place: ModelPlace<Types>;
  readonly #encoder: Encoder<Types>;
  /** What was measured last without data: choices change faster than models. */
  #last: { readonly key: string; readonly found: Sensitivity } | undefined;

  constructor(place: ModelPlace<Types>, encoder: Encoder<Types>) {
    this.#place = place;
    this.#encoder = encoder;
  }

  sensitivity(options: SensitivityOptions, data: Data<Types>): Promise<Sensitivity> {
    const request = resolveWholeSensitivity({ ...this.#place.opening, ...options });
    this.#check(request);
    return this.#sensitivities(request, data);
  }

  async sizeCurve(options: SensitivityOptions, data: Data<Types>): Promise<SizeCurve> {
    const request = resolveSensitivity({ ...this.#place.opening, ...options }, settingsToMix);
    this.#check(request);
    const { base, run } = request;
    const file = await this.#planned(base, run);
    const controls = { signal: run.signal };
    return sizeCurveOf({
      measured: () => this.#sensitivities(request, data),
      priorsOf: async (names) =>
        parseJson(await file.request('priors', { names, table: request.prior }, controls)),
      curveOf: async (table) => parseJson(await file.request('curve', toJson(table), controls)),
    });
  }

  search(options: SearchOptions, data: Data<Types>): Promise<Front> {
    const request = resolveSearch({ ...this.#place.opening, ...options });
    this.#check(request);
    const { base, run } = request;
    const controls = { signal: run.signal };
    const file = () => this.#planned(base, run);
    return searchFront(request, {
      measured: (ofOne) => this.#sensitivities({ ...request, run: ofOne }, data),
      priorsOf: async (names) => {
        const choice = { names, table: request.prior };
        return parseJson(await (await file()).request('priors', choice, controls));
      },
      begin: async (table, settings) => {
        const begun = { table: toJson(table), settings };
        return parseJson(await (await file()).request('beginSearch', begun, controls));
      },
      step: async () => parseJson(await (await file()).request('stepSearch', null, controls)),
      end: async () => parseJson(await (await file()).request('endSearch', null, controls)),
      encoded: (configuration, ofOne) =>
        this.#encoded({ configuration, gates: NO_GATES, run: ofOne }, data),
    });
  }

  /** How a budget is shared out, if there is one. In turn, and with the data open. */
  async sharedBudget(
    { configuration, run }: Pick<Encoding, 'configuration' | 'run'>,
    { calibration, divides }: Pick<Measuring<Types>, 'calibration' | 'divides'>,
  ): Promise<SharedBudget | undefined> {
    if (configuration.budget === null) return undefined;
    const controls = { signal: run.signal };
    const file = await this.#planned(configuration, run);
    return shareBudget(configuration, {
      measured: () => this.#sensitivities(settingsOfBudget(configuration, run), calibration),
      namesOf: async () => parseJson(await file.request('catalog', null, controls)).tensors,
      priorsOf: async (names) =>
        parseJson(await file.request('priors', { names, table: configuration.prior }, controls)),
      allocate: async (table, budgetBytes) =>
        parseJson(await file.request('allocate', { table: toJson(table), budgetBytes }, controls)),
      sizeOf: async (mix) => {
        const choice = { configuration, divides, unfit: [], mix };
        const { plan } = await file.request('planDocument', choice, controls);
        return (await joined<'tensors', PlanDocument>(plan)).sizes.outputBytes;
      },
    });
  }

  #check({ run, opening }: SensitivityRequest): void {
    this.#place.checkAsOpened(run, opening);
  }

  /** In turn, and with the data open. */
  async #sensitivities(
    request: SensitivityRequest,
    calibration: Data<Types>,
  ): Promise<Sensitivity> {
    const { run, sample, base, settings } = request;
    const key = toJson([sample, base, settings]);
    const isKnown = calibration.length === 0 && this.#last?.key === key;
    if (isKnown && this.#last !== undefined) return this.#last.found;
    const measured = await this.#candidates(base, run);
    const { finer = null, examines = false } = request;
    const kept = await this.#encoder.tables?.find({
      asked: toJson([this.#place.opening, sample, base, settings, finer, examines]),
      calibration,
      work: workOf(measured, request),
    });
    const found =
      kept?.known === undefined
        ? await this.#measuredAnew(request, calibration, measured, kept)
        : parseJson(kept.known);
    if (calibration.length === 0) this.#last = { key, found };
    return found;
  }

  async #measuredAnew(
    request: SensitivityRequest,
    calibration: Data<Types>,
    measured: Measured,
    kept: KeptTable | undefined,
  ): Promise<Sensitivity> {
    try {
      const found = await this.#measure(request, calibration, measured);
      await this.#place.input.checkUnchanged();
      if (isWhole(found)) await kept?.keep(toJson(found));
      return found;
    } finally {
      // Where it is kept already, that changes nothing.
      await kept?.keep(undefined);
    }
  }

  #measure(
    request: SensitivityRequest,
    calibration: Data<Types>,
    measured: Measured,
  ): Promise<Sensitivity> {
    const { sample, base } = request;
    const encoding = (ofOne: RunOptions) => ({ configuration: base, gates: NO_GATES, run: ofOne });
    const inputs = request.examines ? executable(calibration) : undefined;
    return sensitivityOf(request, measured, {
      measure: (choices, ofOne) => {
        const terms = { divides: false, calibration, sample, choices };
        return this.#encoder.measured(encoding(ofOne), terms);
      },
      canExecute: inputs !== undefined,
      examine: (choices, { wantsOutliers, executes }, ofOne) => {
        const terms = { divides: false, calibration, choices };
        const look = this.#look(wantsOutliers, executes ? inputs : undefined, ofOne);
        return this.#encoder.examined(encoding(ofOne), terms, look);
      },
    });
  }

  #look(
    wantsOutliers: boolean,
    data: Types['source'] | undefined,
    run: RunOptions,
  ): Look<OneOrShards<Types['source']>, Types['sink'], Types['output'], Examined> {
    const { input, opening } = this.#place;
    const reference = () => this.#place.open(input, opening, 'unsound', run);
    return examine({ reference, data, wantsOutliers, signal: run.signal });
  }

  /** All of the model; with captured inputs also what its layers compute. */
  async #encoded(request: Encoding, calibration: Data<Types>): Promise<Encoded> {
    const { configuration } = request;
    const inputs = isExecuted(configuration, 4) ? executable(calibration) : undefined;
    const terms = { divides: false, calibration };
    if (inputs === undefined) return { report: await this.#encoder.measured(request, terms) };
    const look = this.#look(false, inputs, request.run);
    const { report, found } = await this.#encoder.examined(request, terms, look);
    return { report, executed: found.executed };
  }

  async #candidates(configuration: Configuration, run: RunOptions): Promise<Measured> {
    const file = await this.#planned(configuration, run);
    const controls = { signal: run.signal };
    if (configuration.container === 'gguf') {
      await file.request('setFolder', await this.#place.input.readFolder(), controls);
    }
    const choice = { configuration, divides: false, unfit: [] };
    const { plan } = await file.request('planDocument', choice, controls);
    const { tensors } = await joined<'tensors', PlanDocument>(plan);
    const candidates = tensors.flatMap(({ decision }, index) =>
      decision === 'quantize' ? [index] : [],
    );
    const catalog = parseJson(await file.request('catalog', null, controls));
    const families = parseJson(await file.request('families', null, controls));
    return { catalog, candidates, families };
  }

  /** The model as plans of the configuration see it. */
  #planned(configuration: Configuration, run: RunOptions): Promise<FileOf<Types>> {
    const { input, opening } = this.#place;
    return this.#place.open(input, opening, takesValues(configuration) ? 'unsound' : 'raw', run);
  }
}

/** Captured inputs that layers can be executed on: those of one file; what a calibration keeps cannot be fed to them. */
function executable<Source>(parts: readonly CalibrationPart<Source>[]): Source | undefined {
  const [first] = parts;
  return first?.kind === 'data' && parts.length === 1 ? first.source : undefined;
}

/** Weights that are encoded. */
function workOf(
  { catalog, candidates }: Measured,
  { settings, sample }: SensitivityRequest,
): number {
  const weights = candidates.reduce((sum, index) => {
    const elements = catalog.tensors[index]?.shape.reduce((all, extent) => all * extent, 1) ?? 0;
    return sum + (sample === 0 ? elements : Math.min(elements, sample));
  }, 0);
  return weights * settings.length;
}
