/**
 * The compiled engine with JSON made and errors thrown: what wasm.ts says, as TypeScript likes it.
 * It exists so that nobody else decodes the engine's errors.
 * What it returns was made without an error, and is deleted by who asked for it.
 */
import { ERROR_CODES, MonoquantError } from '../api/errors.js';
import type { EngineInfo } from '../api/types.js';
import type { ByteSource } from '../io/byte-source.js';
import type { EngineOptions } from './engine-options.js';
import type {
  EngineError,
  OpenOptions,
  WasmInspector,
  WasmModule,
  WasmPlan,
  WasmStage,
} from './wasm.js';

/** How a stage moves bytes: blocks in flight at once, and the size of each. */
export interface BlockShape {
  readonly slots: number;
  readonly blockBytes: number;
}

/** One of `count` equal parts of a run. */
export interface Share {
  readonly index: number;
  readonly count: number;
}

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

  /** Reads the metadata of a file. */
  async inspect(source: ByteSource, options: OpenOptions): Promise<WasmInspector> {
    const inspector = new this.#module.Inspector(source.size, JSON.stringify(options));
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

  /** `calibration` is JSON of one; it may be long and is passed on as it is. */
  plan(inspector: WasmInspector, options: EngineOptions, calibration: string | null): WasmPlan {
    const text = `${JSON.stringify(options).slice(0, -1)},"calibration":${calibration}}`;
    return withoutError(new this.#module.Plan(inspector, text));
  }

  /** `readsBack`: source 0 is the file, source 1 the output. */
  encodeStage(
    plan: WasmPlan,
    { index, count }: Share,
    { slots, blockBytes }: BlockShape,
    readsBack: boolean,
  ): WasmStage {
    return new this.#module.EncodeStage(plan, index, count, slots, blockBytes, readsBack);
  }

  /** Adds the data that `data` has inspected to a calibration, JSON or ''. */
  calibrateStage(
    model: WasmInspector,
    data: WasmInspector,
    soFar: string,
    { slots, blockBytes }: BlockShape,
  ): WasmStage {
    return withoutError(new this.#module.CalibrateStage(model, data, soFar, slots, blockBytes));
  }

  /** Ends what all shares have encoded: `results` are JSON of their StageResults. */
  sealStage(encode: WasmStage, results: readonly string[]): WasmStage {
    return new this.#module.SealStage(encode, `[${results.join(',')}]`);
  }

  /** Checks what `encode` wrote; `output` has inspected the file that it is in. */
  verifyStage(
    encode: WasmStage,
    output: WasmInspector,
    { slots, blockBytes }: BlockShape,
  ): WasmStage {
    return new this.#module.VerifyStage(encode, output, slots, blockBytes);
  }

  /** One slot; source 0 is the file, source 1 the reference. */
  compareStage(
    file: WasmInspector,
    reference: WasmInspector | undefined,
    { blockBytes }: BlockShape,
  ): WasmStage {
    if (reference === undefined) return new this.#module.CompareStage(file, blockBytes);
    return new this.#module.CompareStage(file, reference, blockBytes);
  }

  /** One slot; source 0 is the file, source 1 the reference. */
  distributionStage(
    file: WasmInspector,
    reference: WasmInspector,
    tensor: string,
    { blockBytes }: BlockShape,
  ): WasmStage {
    return withoutError(new this.#module.DistributionStage(file, reference, tensor, blockBytes));
  }

  /** One slot. */
  tensorStage(file: WasmInspector, tensor: number, { blockBytes }: BlockShape): WasmStage {
    return new this.#module.TensorStage(file, tensor, blockBytes);
  }

  /** One slot; source 0 is the file, source 1 the reference, source 2 captured inputs. */
  trialStage(
    file: WasmInspector,
    reference: WasmInspector | undefined,
    data: WasmInspector | undefined,
    { blockBytes }: BlockShape,
  ): WasmStage {
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

/** After a trap in the engine a destructor may trap as well; the first failure is the one to tell. */
export function deleteQuietly(handle: { delete(): void } | undefined): void {
  try {
    handle?.delete();
  } catch {
    // Nothing can be freed any more.
  }
}
