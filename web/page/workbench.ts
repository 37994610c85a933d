/**
 * The state of the page and everything that can be done to it; views only show and call it.
 * It exists so that what happens to a model can be read in one place, without any markup.
 * An error is kept where it happened and changes nothing else: models, choices and results stay.
 */
import { batch, computed, effect, signal } from '@preact/signals';
import {
  type Calibration,
  type Changes,
  type EngineInfo,
  open,
  type Plan,
  preload,
  type QuantizeResult,
  withChanges,
} from 'monoquant';
import { type Choice, FIRST_CHOICE, forAnotherModel, openingOf } from './choice.js';
import type { Options } from './command.js';
import { exampleModel } from './example.js';
import { type Fault, faultOf } from './fault.js';
import { givenModel, nameOfModel } from './model-files.js';
import type { GivenModel, OpenModel } from './open-model.js';
import { Outcome } from './outcome.js';
import { Work } from './work.js';

export interface Forecast {
  /** Of the latest choices that were possible. */
  readonly plan?: Plan;
  readonly fault?: Fault;
}

export interface CalibrationData {
  readonly names: readonly string[];
  readonly calibration: Calibration;
}

export class Workbench {
  readonly engine = signal<EngineInfo | Fault | undefined>(undefined);
  readonly opening = signal<string | undefined>(undefined);
  readonly openFault = signal<Fault | undefined>(undefined);
  readonly model = signal<OpenModel | undefined>(undefined);
  readonly choice = signal<Choice>(FIRST_CHOICE);
  readonly data = signal<CalibrationData | undefined>(undefined);
  readonly forecast = signal<Forecast>({});
  /** A tensor whose details are shown. */
  readonly chosenTensor = signal<string | undefined>(undefined);
  readonly quantizing = new Work();
  readonly calibrating = new Work();
  readonly outcome = signal<Outcome | undefined>(undefined);
  /** What the package is called with. */
  readonly options = computed<Choice>(() => {
    const data = this.data.value;
    const choice = this.choice.value;
    if (data === undefined || choice.bits === 16) return choice;
    return { ...choice, calibration: [data.calibration] };
  });
  #turn = 0;
  #isPlanning = false;

  constructor() {
    effect(() => {
      if (this.model.value !== undefined && this.options.value !== undefined) this.#planSoon();
    });
  }

  /** Has the engine in the browser's cache before a model comes. */
  async prepare(): Promise<void> {
    try {
      this.engine.value = await preload();
    } catch (error) {
      this.engine.value = faultOf(error);
    }
  }

  openExample(): Promise<void> {
    return this.openFiles([exampleModel()]);
  }

  /** Opens a model; the one before stays where this one cannot be opened. */
  openFiles(files: readonly File[]): Promise<void> {
    return this.#open(nameOfModel(files).name, async () => givenModel(files));
  }

  /** Opens what is behind a URL. Nothing but this reaches the network. */
  openUrl(url: string): Promise<void> {
    return this.#open(url.replace(/[?#].*/, ''), async () => {
      const { openDistantModel } = await import('./distant-model.js');
      return openDistantModel(url);
    });
  }

  async #open(name: string, find: () => Promise<GivenModel>): Promise<void> {
    const turn = ++this.#turn;
    this.openFault.value = undefined;
    this.opening.value = name;
    const choice = forAnotherModel(this.choice.peek());
    let found: GivenModel | undefined;
    try {
      found = await find();
      if (turn === this.#turn) await this.#replaceModel(found, choice, turn);
    } catch (error) {
      if (turn === this.#turn) this.openFault.value = faultOf(error);
    } finally {
      if (this.model.peek()?.release !== found?.release) found?.release?.();
      if (turn === this.#turn) this.opening.value = undefined;
    }
  }

  /** Takes another part of the same file, or its names without a prefix. */
  async reopen(part: { readonly key?: string; readonly stripPrefix?: string }): Promise<void> {
    const model = this.model.peek();
    if (model === undefined) return;
    const turn = ++this.#turn;
    const before = this.choice.peek();
    const choice = { ...forAnotherModel(before), ...openingOf(before), ...part };
    this.openFault.value = undefined;
    try {
      await this.#replaceModel(model, choice, turn);
    } catch (error) {
      if (turn === this.#turn) this.openFault.value = faultOf(error);
    }
  }

  async #replaceModel(model: GivenModel, choice: Choice, turn: number): Promise<void> {
    const handle = await open(model.source, openingOf(choice));
    if (turn !== this.#turn) return handle.close();
    this.quantizing.forget();
    this.calibrating.forget();
    const [before, outcome] = [this.model.peek(), this.outcome.peek()];
    batch(() => {
      this.outcome.value = undefined;
      this.chosenTensor.value = undefined;
      this.data.value = undefined;
      this.forecast.value = {};
      this.choice.value = choice;
      this.model.value = { ...model, handle, catalog: handle.catalog };
    });
    await Promise.all([before?.handle.close(), outcome?.close()]);
    if (before?.release !== model.release) before?.release?.();
  }

  /** Plans the latest model with the latest choices; those that change meanwhile are next. */
  async #planSoon(): Promise<void> {
    if (this.#isPlanning) return;
    this.#isPlanning = true;
    try {
      let planned: readonly [OpenModel | undefined, Options | undefined] = [undefined, undefined];
      while (planned[0] !== this.model.peek() || planned[1] !== this.options.peek()) {
        const [model, options] = [this.model.peek(), this.options.peek()];
        await this.#plan(model, options);
        planned = [model, options];
      }
    } finally {
      this.#isPlanning = false;
    }
  }

  async #plan(model: OpenModel | undefined, options: Options): Promise<void> {
    try {
      const plan = await model?.handle.plan(options);
      if (model === this.model.peek() && plan !== undefined) this.forecast.value = { plan };
    } catch (error) {
      if (model !== this.model.peek()) return;
      this.forecast.value = { ...this.forecast.peek(), fault: faultOf(error) };
    }
  }

  /** Reads captured inputs, or a calibration made of them. */
  async calibrate(files: readonly File[]): Promise<void> {
    const model = this.model.peek();
    if (model === undefined || files.length === 0) return;
    try {
      const calibration = await this.calibrating.run((run) => model.handle.calibrate(files, run));
      if (model !== this.model.peek()) return;
      this.data.value = { names: files.map(({ name }) => name), calibration };
    } catch {
      // The work has kept what went wrong.
    }
  }

  dropCalibration(): void {
    batch(() => {
      this.change({ calibration: undefined });
      this.data.value = undefined;
    });
    this.calibrating.forget();
  }

  /** Makes choices, and takes back those that mean nothing beside them. */
  change(changes: Changes): void {
    const { calibration, ...choice } = withChanges(this.options.peek(), changes);
    this.choice.value = choice;
  }

  async quantize(): Promise<void> {
    const model = this.model.peek();
    if (model === undefined || this.quantizing.isRunning.peek()) return;
    const [options, data] = [this.options.peek(), this.data.peek()];
    const result = await this.#encode(model, options);
    if (result === undefined) return;
    if (model !== this.model.peek()) return result.close();
    // Until here the result before can still be saved.
    void this.outcome.peek()?.close();
    this.outcome.value = new Outcome(result, model, options, data?.names ?? []);
  }

  async #encode(model: OpenModel, options: Options): Promise<QuantizeResult | undefined> {
    try {
      return await this.quantizing.run((run) => model.handle.quantize({ ...options, ...run }));
    } catch {
      // The work has kept what went wrong.
      return undefined;
    }
  }
}
