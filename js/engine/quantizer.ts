/**
 * A file in the hands of the engine: its catalog, plans for it, and the run that quantizes it.
 * It exists so that sessions in every host hold one object and need not know the engine's handles.
 * A run that fails has aborted its sink; close() frees the engine's memory.
 */
import { MonoquantError } from '../api/errors.js';
import { resolvePatterns } from '../api/patterns.js';
import type { Catalog, Configuration, Plan, Report } from '../api/types.js';
import type { ByteSource } from '../io/byte-source.js';
import { catalogOf, type Engine } from './engine.js';
import { gateWarnings, planWarnings } from './report.js';
import { type QuantizeJob, runPlan } from './run.js';
import type { EngineOptions, UnfitTensor, WasmInspector, WasmPlan } from './wasm.js';

export interface Quantized<Output> {
  readonly report: Report;
  readonly output: Output;
}

interface Unfit {
  readonly unfit: readonly UnfitTensor[];
}

export class Quantizer {
  readonly catalog: Catalog;
  readonly #engine: Engine;
  readonly #source: ByteSource;
  readonly #inspector: WasmInspector;
  readonly #openedInMs: number;

  private constructor(
    engine: Engine,
    source: ByteSource,
    inspector: WasmInspector,
    openedInMs: number,
  ) {
    this.catalog = catalogOf(inspector);
    this.#engine = engine;
    this.#source = source;
    this.#inspector = inspector;
    this.#openedInMs = openedInMs;
  }

  static async open(engine: Engine, source: ByteSource): Promise<Quantizer> {
    const start = performance.now();
    const inspector = await engine.inspect(source);
    return new Quantizer(engine, source, inspector, performance.now() - start);
  }

  plan(configuration: Configuration): Promise<Plan> {
    return this.#withPlan(configuration, [], (_, plan) => plan);
  }

  async quantize<Output>(job: QuantizeJob<Output>): Promise<Quantized<Output>> {
    const first = await this.#attempt(job, []);
    if ('report' in first) return first;
    const second = await this.#attempt(job, first.unfit);
    if ('report' in second) return second;
    const tensor = this.catalog.tensors[second.unfit[0]?.tensor ?? -1]?.name;
    throw new MonoquantError('internal', 'A tensor was found unfit only in the second run.', {
      tensor,
    });
  }

  close(): void {
    this.#inspector.delete();
  }

  #attempt<Output>(
    job: QuantizeJob<Output>,
    unfit: readonly UnfitTensor[],
  ): Promise<Quantized<Output> | Unfit> {
    const start = performance.now();
    return this.#withPlan(job.configuration, unfit, async (handle, plan) => {
      gateWarnings(plan.warnings, job.gates);
      const planMs = this.#openedInMs + performance.now() - start;
      const sink = await job.openSink(plan.sizes.outputBytes);
      try {
        const io = { source: this.#source, sink };
        const result = await runPlan(this.#engine, job, { handle, plan, planMs }, io);
        if (!('unfit' in result)) return { report: result, output: await sink.finish() };
        await sink.abort();
        return result;
      } catch (error) {
        await sink.abort();
        throw error;
      }
    });
  }

  #withPlan<T>(
    configuration: Configuration,
    unfit: readonly UnfitTensor[],
    work: (handle: WasmPlan, plan: Plan) => T | Promise<T>,
  ): Promise<T> {
    const options = this.#engineOptions(configuration, unfit);
    return this.#engine.withPlan(this.#inspector, options, (handle, document) => {
      const warnings = planWarnings(document.tensors, document.warnings);
      return work(handle, { configuration, ...document, warnings });
    });
  }

  #engineOptions(configuration: Configuration, unfit: readonly UnfitTensor[]): EngineOptions {
    const names = this.catalog.tensors.map(({ name }) => name);
    const { bits, mode, scheme, strategy, groupSize, floatType, layers } = configuration;
    const { defaultIgnore, minElements } = configuration;
    return {
      bits,
      mode,
      scheme,
      strategy,
      groupSize,
      floatType,
      layers,
      defaultIgnore,
      minElements,
      ...resolvePatterns(configuration, names),
      unfit,
    };
  }
}
