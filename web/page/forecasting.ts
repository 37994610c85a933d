/**
 * What a run would make of the model: planned anew with every choice, and for the other precisions when there is time.
 * It exists apart because plans take a while, and choices go on meanwhile: the latest one counts.
 */
import { batch, effect, type ReadonlySignal, signal } from '@preact/signals';
import { type Bits, type Plan, type PlannedTensor, withChanges } from 'monoquant';
import type { Choice } from './choice.js';
import { type Fault, faultOf } from './fault.js';
import type { OpenModel } from './open-model.js';
import type { Work } from './work.js';

export interface Forecast {
  /** Of the latest choices that were possible. */
  readonly plan?: Plan;
  readonly fault?: Fault;
  /** The choices that it is about. While a run goes on, later ones have to wait for the engine. */
  readonly of?: Choice | undefined;
}

/** Of more tensors a plan takes seconds: none is made that nobody has asked for. */
const MOST_FOR_SIZES = 4000;

export class Forecasting {
  readonly forecast = signal<Forecast>({});
  /** Of the plan of the forecast; those of large models follow it, since all views of a plan at once take long. */
  readonly planned = signal<readonly PlannedTensor[]>([]);
  readonly presetBytes = signal<ReadonlyMap<Bits, number>>(new Map());
  readonly #model: ReadonlySignal<OpenModel | undefined>;
  readonly #options: ReadonlySignal<Choice>;
  readonly #quantizing: Work;
  #isPlanning = false;

  constructor(
    model: ReadonlySignal<OpenModel | undefined>,
    options: ReadonlySignal<Choice>,
    quantizing: Work,
  ) {
    this.#model = model;
    this.#options = options;
    this.#quantizing = quantizing;
    effect(() => {
      if (model.value !== undefined && options.value !== undefined) void this.#planSoon();
    });
  }

  /** It was about another model. */
  forget(): void {
    this.forecast.value = {};
    this.planned.value = [];
    this.presetBytes.value = new Map();
  }

  /** Plans the latest model with the latest choices; those that change meanwhile are next. */
  async #planSoon(): Promise<void> {
    if (this.#isPlanning) return;
    this.#isPlanning = true;
    try {
      let planned: readonly [OpenModel | undefined, Choice | undefined] = [undefined, undefined];
      while (planned[0] !== this.#model.peek() || planned[1] !== this.#options.peek()) {
        planned = [this.#model.peek(), this.#options.peek()];
        await this.#plan(...planned);
      }
    } finally {
      this.#isPlanning = false;
    }
    await this.#sizePresets();
  }

  async #plan(model: OpenModel | undefined, options: Choice | undefined): Promise<void> {
    try {
      const plan = await model?.handle.plan(options);
      if (model === this.#model.peek() && plan !== undefined) {
        const isSmall = plan.tensors.length <= MOST_FOR_SIZES;
        batch(() => {
          this.forecast.value = { plan, of: options };
          if (isSmall) this.planned.value = plan.tensors;
        });
        if (isSmall) return;
        await nextTask();
        if (plan === this.forecast.peek().plan) this.planned.value = plan.tensors;
      }
    } catch (error) {
      if (model !== this.#model.peek()) return;
      this.forecast.value = { ...this.forecast.peek(), fault: faultOf(error), of: options };
    }
  }

  /** When nothing else is asked for. */
  async #sizePresets(): Promise<void> {
    const [model, options] = [this.#model.peek(), this.#options.peek()];
    const isHere = () => model === this.#model.peek() && options === this.#options.peek();
    if (model === undefined || model.catalog.tensors.length > MOST_FOR_SIZES) return;
    const sizes = new Map<Bits, number>();
    for (const bits of [8, 4, 16] as const) {
      if (!isHere() || this.#isPlanning || this.#quantizing.isRunning.peek()) return;
      try {
        const { calibration, ...choices } = withChanges(options, { bits });
        sizes.set(bits, (await model.handle.plan(choices)).sizes.outputBytes);
      } catch {
        // Choices that do not go with these bits.
      }
    }
    if (isHere()) this.presetBytes.value = sizes;
  }
}

/** In between, the page answers. Tabs that nobody sees have no frames, but timers. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
