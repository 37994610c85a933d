/**
 * The state of the page and everything that can be done to it; views only show and call it.
 * It exists so that what happens to a model can be read in one place, without any markup.
 * An error is kept where it happened and changes nothing else: models, choices and results stay.
 */
import { batch, computed, signal } from '@preact/signals';
import {
  type Changes,
  type EngineInfo,
  open,
  type PlannedTensor,
  preload,
  type QuantizeResult,
  type TensorReport,
  withChanges,
} from 'monoquant';
import { type Choice, FIRST_CHOICE, type OverrideBits, openingOf } from './choice.js';
import type { Options, Task } from './command.js';
import { Comparing } from './comparing.js';
import { type Fault, faultOf } from './fault.js';
import { Forecasting } from './forecasting.js';
import { nameOfFiles } from './model-files.js';
import { lookInto, type OpenModel } from './open-model.js';
import { Outcome } from './outcome.js';
import { overrideChanges, overridesOf } from './overrides.js';
import { type Question, Questions } from './questions.js';
import { RunRecords } from './run-records.js';
import { type CalibrationData, isSameRequest, type Request } from './runs.js';
import { type TakeModel, WaysIn } from './ways-in.js';
import { Weighing } from './weighing.js';
import { Work } from './work.js';

/** What is done with a model: something is written, it is compared with another, or it is only looked at. */
export type Activity = Task | 'compare' | 'inspect';

export class Workbench {
  readonly engine = signal<EngineInfo | Fault | undefined>(undefined);
  readonly model = signal<OpenModel | undefined>(undefined);
  readonly waysIn = new WaysIn(this.model, (...found) => this.#replaceModel(...found));
  readonly choice = signal<Choice>(FIRST_CHOICE);
  readonly data = signal<CalibrationData | undefined>(undefined);
  /** A tensor whose details are shown. */
  readonly chosenTensor = signal<string | undefined>(undefined);
  readonly quantizing = new Work();
  readonly calibrating = new Work();
  /** All runs of the model that are still there, in the order in which they ended. */
  readonly runs = signal<readonly Outcome[]>([]);
  /** Of this visit. */
  readonly records = new RunRecords();
  /** What is being made just now, whatever is chosen meanwhile. */
  readonly making = signal<Request | undefined>(undefined);
  readonly activity = signal<Activity>('quantize');
  readonly comparing = new Comparing();
  readonly weighing = new Weighing();
  readonly questions = new Questions();
  /** Tensors that the next choice is for. */
  readonly selection = signal<ReadonlySet<string>>(new Set());
  /** What is asked for now. */
  readonly request = computed<Request | undefined>(() => {
    const task = this.activity.value;
    if (task === 'compare' || task === 'inspect') return undefined;
    return { task, choice: this.choice.value, data: this.data.value };
  });
  /** The run that has made what is asked for: what is shown of a result is always of the choices that are shown. */
  readonly outcome = computed<Outcome | undefined>(() => {
    const request = this.request.value;
    return request && this.runs.value.find((run) => isSameRequest(run.request, request));
  });
  /** What the package is called with. */
  readonly options = computed<Choice>(() => {
    const data = this.data.value;
    const choice = this.choice.value;
    if (data === undefined || choice.bits === 16) return choice;
    return { ...choice, calibration: [data.calibration] };
  });
  readonly names = computed(() => this.model.value?.catalog.tensors.map(({ name }) => name) ?? []);
  /** By name, of the run that is shown. */
  readonly reports = computed<ReadonlyMap<string, TensorReport>>(
    () => new Map(this.outcome.value?.report.tensors.map((tensor) => [tensor.name, tensor])),
  );
  /** The bits that were chosen for tensors by themselves. */
  readonly ownBits = computed(() => overridesOf(this.choice.value, this.names.value));
  readonly #forecasting = new Forecasting(this.model, this.options, this.quantizing);
  /** What a run would make of the model. */
  readonly forecast = this.#forecasting.forecast;
  /** Whether the latest choices wait for a run that goes on. */
  readonly isPlanLate = computed(
    () => this.quantizing.isRunning.value && this.forecast.value.of !== this.options.value,
  );
  /** Bytes that each precision would leave, with everything else as it is chosen. */
  readonly presetBytes = this.#forecasting.presetBytes;
  /** Of the plan, by name. */
  readonly planned = computed<ReadonlyMap<string, PlannedTensor>>(
    () => new Map(this.#forecasting.planned.value.map((tensor) => [tensor.name, tensor])),
  );

  constructor(choice = FIRST_CHOICE) {
    this.choice.value = choice;
  }

  /** Has the engine in the browser's cache before a model comes. */
  async prepare(): Promise<void> {
    try {
      this.engine.value = await preload();
    } catch (error) {
      this.engine.value = faultOf(error);
    }
  }

  /** One of two that came together, and perhaps beside the other. */
  async openOfPair(file: File, other?: File): Promise<void> {
    await this.waysIn.openFiles([file]);
    if (other === undefined || this.model.peek()?.source !== file) return;
    this.activity.value = 'compare';
    await this.compareWith([other]);
  }

  async #replaceModel(...[model, choiceAfter, isLatest]: Parameters<TakeModel>): Promise<void> {
    const choice = choiceAfter(this.choice.peek());
    const handle = await open(model.source, openingOf(choice));
    const seen = await lookInto(model, handle, openingOf(choice));
    const mayGoOn = isLatest() && (await this.#mayDropRuns(`open ${model.name}`));
    if (!mayGoOn || !isLatest()) return handle.close();
    this.quantizing.forget();
    this.calibrating.forget();
    this.comparing.forget();
    this.weighing.forget();
    const [before, runs] = [this.model.peek(), this.runs.peek()];
    const isOther = before?.source !== model.source;
    batch(() => {
      this.runs.value = [];
      this.making.value = undefined;
      this.chosenTensor.value = undefined;
      this.selection.value = new Set();
      this.data.value = undefined;
      this.#forecasting.forget();
      this.choice.value = choice;
      this.model.value = { ...model, handle, ...seen };
      // Codes are looked at first: there is nothing in them that could be quantized.
      if (isOther) this.activity.value = seen.hasCodes ? 'inspect' : 'quantize';
    });
    await Promise.all([before?.handle.close(), ...runs.map((run) => this.#end(run))]);
    if (before?.release !== model.release) before?.release?.();
  }

  /** Runs that nobody has saved, and one that is under way. */
  get unsaved(): readonly string[] {
    const labels = this.runs.value.filter((run) => !run.isSafe.value).map(({ label }) => label);
    return this.quantizing.isRunning.value ? [...labels, 'the run that is under way'] : labels;
  }

  async #mayDropRuns(what: string): Promise<boolean> {
    const lost = this.unsaved;
    return lost.length === 0 || this.questions.ask({ what, lost });
  }

  /** Takes a run away, and what it keeps on the device. */
  async removeRun(run: Outcome): Promise<void> {
    const question: Question = { what: `remove ${run.label}`, lost: [run.label] };
    if (!run.isSafe.peek() && !(await this.questions.ask(question))) return;
    this.runs.value = this.runs.peek().filter((other) => other !== run);
    await this.#end(run);
  }

  #end(run: Outcome): Promise<void> {
    this.records.letGo(run);
    return run.close();
  }

  /** Makes the choices of a run again, which shows it. */
  showRun({ request }: Outcome): void {
    batch(() => {
      this.activity.value = request.task;
      this.choice.value = request.choice;
      this.data.value = request.data;
    });
  }

  /** Reads both models whole. */
  async compareWith(files: readonly File[]): Promise<void> {
    const model = this.model.peek();
    const [first] = files;
    if (model === undefined || first === undefined) return;
    await this.comparing.run(model, files.length === 1 ? first : files, nameOfFiles(files));
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

  /** Size against loss, unless it is known or under way. */
  async weigh(): Promise<void> {
    const model = this.model.peek();
    const { work, curve } = this.weighing;
    if (model === undefined || work.isRunning.peek() || curve.peek() !== undefined) return;
    await this.weighing.run(model, this.options.peek());
  }

  /** Bits for tensors by themselves; undefined: as all others. */
  chooseFor(names: Iterable<string>, bits: OverrideBits | undefined): void {
    this.change(overrideChanges(this.choice.peek(), this.names.peek(), names, bits));
  }

  /** Makes what is asked for. */
  async quantize(): Promise<void> {
    const [model, request] = [this.model.peek(), this.request.peek()];
    if (model === undefined || request === undefined || this.quantizing.isRunning.peek()) return;
    this.making.value = request;
    const result = await this.#encode(model, request, this.options.peek());
    if (model === this.model.peek()) this.making.value = undefined;
    if (result === undefined) return;
    if (model !== this.model.peek()) return result.close();
    const taken = this.runs.peek().map((run) => run.name.peek());
    const run = new Outcome(result, model, request, taken);
    this.records.add(run);
    this.runs.value = [...this.runs.peek(), run];
  }

  async #encode(
    { handle }: OpenModel,
    { task, choice }: Request,
    options: Options,
  ): Promise<QuantizeResult | undefined> {
    try {
      return await this.quantizing.run((run) => {
        if (task === 'quantize') return handle.quantize({ ...options, ...run });
        const { container = 'safetensors' } = choice;
        return task === 'convert'
          ? handle.convert({ container, ...run })
          : handle.dequantize({ container, ...run });
      });
    } catch {
      // The work has kept what went wrong.
      return undefined;
    }
  }
}
