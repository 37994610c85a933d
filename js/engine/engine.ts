/**
 * The compiled engine with JSON made and errors thrown: what wasm.ts says, as TypeScript likes it.
 * What it returns was made without an error, and is deleted by who asked for it.
 */
import { ERROR_CODES, MonoquantError } from '../api/errors.js';
import { type Json, jsonList, toJson, withMembers } from '../api/json.js';
import type { SideFolder } from '../api/side-folder.js';
import type { Calibration, Distribution, EngineInfo } from '../api/types.js';
import type { BlockShape, ByteSource } from '../io/byte-source.js';
import type { Allocation, DecisionTable, Prior, SearchSettings, SearchTable } from './decisions.js';
import type { EngineOptions, RescaleRequest, RescaleResult } from './engine-options.js';
import type {
  Checksums,
  CompareResult,
  EngineError,
  OpenOptions,
  OutlierResult,
  SealResult,
  Share,
  TrialResult,
  WasmCalibrateStage,
  WasmEncodeStage,
  WasmFrontSearch,
  WasmInspector,
  WasmModule,
  WasmPlan,
  WasmRecheckStage,
  WasmStage,
  WasmStatisticsStage,
} from './wasm.js';

export class Engine {
  readonly info: EngineInfo;
  readonly #module: WasmModule;

  constructor(module: WasmModule, info: EngineInfo) {
    this.#module = module;
    this.info = info;
  }

  get version(): string {
    return this.#module.version();
  }

  /** That it has taken; it gives none of them back. */
  get memoryBytes(): number {
    return this.#module.memoryBytes();
  }

  /** Reads the metadata of a file. */
  async inspect(source: ByteSource, options: OpenOptions): Promise<WasmInspector> {
    const inspector = new this.#module.Inspector(source.size, toJson(options));
    try {
      while (inspector.step()) {
        await source.read(inspector.needOffset(), inspector.input());
        inspector.filled();
      }
      throwIfError(inspector.error());
      return inspector;
    } catch (error) {
      deleteQuietly(inspector);
      throw error;
    }
  }

  /** `calibration` and `rescales` may be long and are passed on as the texts that they are. */
  plan(
    inspector: WasmInspector,
    options: EngineOptions,
    calibration: Json<Calibration> | null,
    folder: SideFolder | undefined,
    rescales?: Json<RescaleResult['rescales']>,
  ): WasmPlan {
    const text = withMembers(options, {
      calibration: calibration ?? toJson(null),
      ...(rescales === undefined ? {} : { rescales }),
    });
    if (folder === undefined) return withoutError(new this.#module.Plan(inspector, text, null));
    const beside = new this.#module.ModelFolder(folder.name);
    try {
      for (const { path, bytes } of folder.files) beside.add(path, bytes.length).set(bytes);
      return withoutError(new this.#module.Plan(inspector, text, beside));
    } finally {
      beside.delete();
    }
  }

  /** `readsBack`: source 0 is the file, source 1 the output. */
  encodeStage(
    plan: WasmPlan,
    share: Share,
    { slots, blockBytes }: BlockShape,
    readsBack: boolean,
  ): WasmEncodeStage {
    return new this.#module.EncodeStage(plan, toJson(share), slots, blockBytes, readsBack);
  }

  /** Source 0 is the output, of so many bytes. */
  recheckStage(outputBytes: number, { slots, blockBytes }: BlockShape): WasmRecheckStage {
    return new this.#module.RecheckStage(outputBytes, slots, blockBytes);
  }

  combineCrc32(first: number, second: number, secondBytes: number): number {
    return this.#module.combineCrc32(first, second, secondBytes);
  }

  /** Adds the data that `data` has inspected to a calibration. */
  calibrateStage(
    model: WasmInspector,
    data: WasmInspector,
    soFar: Json<Calibration> | null,
    { slots, blockBytes }: BlockShape,
  ): WasmCalibrateStage {
    const { CalibrateStage } = this.#module;
    return withoutError(new CalibrateStage(model, data, soFar ?? '', slots, blockBytes));
  }

  /** Chooses by how much layers are rescaled. One slot. */
  rescaleStage(
    plan: WasmPlan,
    calibration: Json<Calibration>,
    request: Json<RescaleRequest>,
    { blockBytes }: BlockShape,
  ): WasmStage<RescaleResult> {
    return withoutError(new this.#module.RescaleStage(plan, calibration, request, blockBytes));
  }

  /** Writes what the calibration says as a file of statistics, and second moments if they are wanted. One slot. */
  statisticsStage(
    model: WasmInspector,
    calibration: Json<Calibration>,
    secondMoments: boolean,
    { blockBytes }: BlockShape,
  ): WasmStatisticsStage {
    const { StatisticsStage } = this.#module;
    return withoutError(new StatisticsStage(model, calibration, secondMoments, blockBytes));
  }

  /** Ends what all shares have encoded: `checksums` are theirs. */
  sealStage(encode: WasmStage, checksums: readonly Json<Checksums>[]): WasmStage<SealResult> {
    return new this.#module.SealStage(encode, jsonList(checksums));
  }

  /** Checks what `encode` wrote, byte by byte. */
  verifyStage(encode: WasmStage, { slots, blockBytes }: BlockShape): WasmStage {
    return new this.#module.VerifyStage(encode, slots, blockBytes);
  }

  /** One slot; source 0 is the file, source 1 the reference. */
  compareStage(
    file: WasmInspector,
    reference: WasmInspector | undefined,
    { blockBytes }: BlockShape,
  ): WasmStage<CompareResult> {
    return new this.#module.CompareStage(file, reference ?? null, blockBytes);
  }

  /** One slot; source 0 is the file, source 1 the reference. */
  distributionStage(
    file: WasmInspector,
    reference: WasmInspector,
    tensor: string,
    { blockBytes }: BlockShape,
  ): WasmStage<Distribution> {
    return withoutError(new this.#module.DistributionStage(file, reference, tensor, blockBytes));
  }

  /** One slot; source 0 is the file, source 1 the reference, of whose inputs `known` says something. */
  outlierStage(
    file: WasmInspector,
    reference: WasmInspector,
    known: Json<Calibration> | null,
    { blockBytes }: BlockShape,
  ): WasmStage<OutlierResult> {
    const { OutlierStage } = this.#module;
    return withoutError(new OutlierStage(file, reference, known ?? '', blockBytes));
  }

  /** One slot. */
  tensorStage(file: WasmInspector, tensor: number, { blockBytes }: BlockShape): WasmStage<null> {
    return withoutError(new this.#module.TensorStage(file, tensor, blockBytes));
  }

  /** How much the errors of weights of these names count; `table` may be one of a person's own. */
  priors(names: readonly string[], table = ''): Promise<Json<readonly Prior[]>> {
    const made = withoutError(new this.#module.Priors(toJson(names), table));
    return withHandle(made, (priors) => priors.json());
  }

  /** For each set of the table the option with which least is lost within the budget. */
  allocate(table: Json<DecisionTable>, budgetBytes: number): Promise<Json<Allocation>> {
    return withHandle(withoutError(new this.#module.Allocator(table)), (allocator) => {
      const found = allocator.allocate(budgetBytes);
      if (found !== '') return found;
      throwIfError(allocator.error());
      throw new MonoquantError('internal', 'Nothing was allocated.');
    });
  }

  /** All best choices: bytes and error of each, from the smallest. */
  curve(table: Json<DecisionTable>): Promise<Json<readonly (readonly [number, number])[]>> {
    const made = withoutError(new this.#module.Allocator(table));
    return withHandle(made, (allocator) => allocator.curve());
  }

  /** A search for a front of several objectives. */
  frontSearch(table: Json<SearchTable>, settings: SearchSettings): WasmFrontSearch {
    return withoutError(new this.#module.FrontSearch(table, toJson(settings)));
  }

  /** One slot; source 0 is the file, source 1 the reference, source 2 captured inputs. */
  trialStage(
    file: WasmInspector,
    reference: WasmInspector | undefined,
    data: WasmInspector | undefined,
    { blockBytes }: BlockShape,
  ): WasmStage<TrialResult> {
    return new this.#module.TrialStage(file, reference ?? null, data ?? null, blockBytes);
  }
}

/** What was just made, or what was wrong with its parameters. */
function withoutError<Made extends { error(): string; delete(): void }>(made: Made): Made {
  try {
    throwIfError(made.error());
    return made;
  } catch (error) {
    deleteQuietly(made);
    throw error;
  }
}

/** `json` is what the engine's `error` functions return: an EngineError, or '' when all is well. */
export function throwIfError(json: string): void {
  if (json === '') return;
  const { code, message, ...details } = JSON.parse(json) as EngineError;
  const known = ERROR_CODES.find((candidate) => candidate === code);
  throw new MonoquantError(known ?? 'internal', message, details);
}

/** Does something with a handle, which is deleted when that is done. */
export async function withHandle<Handle extends { delete(): void }, Answer>(
  handle: Handle,
  work: (handle: Handle) => Answer | Promise<Answer>,
): Promise<Answer> {
  try {
    return await work(handle);
  } finally {
    deleteQuietly(handle);
  }
}

/** After a trap in the engine a destructor may trap as well; the first failure is the one to tell. */
export function deleteQuietly(handle: { delete(): void } | undefined): void {
  try {
    handle?.delete();
  } catch {
    // Nothing can be freed any more.
  }
}
