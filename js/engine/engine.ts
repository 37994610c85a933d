/**
 * The compiled engine with JSON parsed and errors thrown: what wasm.ts says, as TypeScript likes it.
 * It exists so that nobody else parses the engine's documents or frees its memory by hand.
 * Every handle is deleted when the work it was made for ends, however it ends.
 */
import { ERROR_CODES, MonoquantError } from '../api/errors.js';
import type { Catalog, EngineInfo, Plan } from '../api/types.js';
import type { ByteSource } from '../io/byte-source.js';
import type {
  EngineError,
  EngineOptions,
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

type Work<T> = T | Promise<T>;

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

  /** Reads the metadata of a file. The caller deletes the inspector. */
  async inspect(source: ByteSource): Promise<WasmInspector> {
    const inspector = new this.#module.Inspector(source.size);
    try {
      while (inspector.step()) {
        await source.read(inspector.needOffset(), inspector.input());
        inspector.filled();
      }
      throwIfError(inspector.error());
      return inspector;
    } catch (error) {
      deleteAfterFailure(inspector);
      throw error;
    }
  }

  withPlan<T>(
    inspector: WasmInspector,
    options: EngineOptions,
    work: (plan: WasmPlan, document: Omit<Plan, 'configuration'>) => Work<T>,
  ): Promise<T> {
    return withHandle(new this.#module.Plan(inspector, JSON.stringify(options)), (plan) => {
      throwIfError(plan.error());
      return work(plan, JSON.parse(plan.json()) as Omit<Plan, 'configuration'>);
    });
  }

  withEncodeStage<T>(
    plan: WasmPlan,
    { slots, blockBytes }: BlockShape,
    work: (stage: WasmStage) => Work<T>,
  ): Promise<T> {
    return withHandle(new this.#module.EncodeStage(plan, slots, blockBytes), work);
  }

  /** `encode` is the stage that wrote what `output` has inspected. */
  withVerifyStage<T>(
    encode: WasmStage,
    output: WasmInspector,
    { slots, blockBytes }: BlockShape,
    work: (stage: WasmStage) => Work<T>,
  ): Promise<T> {
    return withHandle(new this.#module.VerifyStage(encode, output, slots, blockBytes), work);
  }
}

export function catalogOf(inspector: WasmInspector): Catalog {
  return JSON.parse(inspector.catalog()) as Catalog;
}

/** `json` is what the engine's `error` functions return: an EngineError, or '' when all is well. */
export function throwIfError(json: string): void {
  if (json === '') return;
  const { code, message, ...details } = JSON.parse(json) as EngineError;
  const known = ERROR_CODES.find((candidate) => candidate === code);
  throw new MonoquantError(known ?? 'internal', message, details);
}

export async function withHandle<H extends { delete(): void }, T>(
  handle: H,
  work: (handle: H) => Work<T>,
): Promise<T> {
  let result: T;
  try {
    result = await work(handle);
  } catch (error) {
    deleteAfterFailure(handle);
    throw error;
  }
  handle.delete();
  return result;
}

/** After a trap in the engine a destructor may trap as well; the first failure is the one to tell. */
function deleteAfterFailure(handle: { delete(): void }): void {
  try {
    handle.delete();
  } catch {
    // Told by whoever calls this.
  }
}
