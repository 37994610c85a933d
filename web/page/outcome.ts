/**
 * A finished run and what can be done with it: save it, check it, look at its tensors.
 * It exists apart from the workbench because each stays as it is while other runs come and go.
 * The output is where the browser keeps it until close(); what was saved stays.
 */
import { computed, signal } from '@preact/signals';
import {
  type Distribution,
  describeOutput,
  type QuantizeResult,
  type Report,
  type Validation,
  validate,
} from 'monoquant';
import { commandOf, outputName } from './command.js';
import { isAborted } from './fault.js';
import type { OpenModel } from './open-model.js';
import { asFileName, freeName, labelOf, type Request } from './runs.js';
import { download, type Saved, saveBlob, saveFolder } from './save.js';
import { Work } from './work.js';

/** What was saved last. */
export interface SavedOutput {
  readonly file: Saved;
  readonly name: string;
  /** If it was compressed: how many bytes that left. */
  readonly packedBytes?: number;
}

export class Outcome {
  readonly request: Request;
  readonly report: Report;
  readonly label: string;
  /** Of the file; another run never has the same. */
  readonly name = signal('');
  readonly command = computed(() => this.#commandFor(this.name.value));
  readonly saving = new Work();
  readonly validating = new Work();
  readonly saved = signal<SavedOutput | undefined>(undefined);
  /** Whether it is on the user's disk, or on its way there. */
  readonly isSafe = computed(() => this.saved.value !== undefined);
  readonly validation = signal<Validation | undefined>(undefined);
  readonly #result: QuantizeResult;
  readonly #model: OpenModel;

  constructor(
    result: QuantizeResult,
    model: OpenModel,
    request: Request,
    taken: readonly string[],
  ) {
    this.#result = result;
    this.#model = model;
    this.request = request;
    const { configuration } = result.report;
    this.report = {
      ...result.report,
      // The page calibrates once and plans often: the report names the files, as the command does.
      configuration: { ...configuration, calibration: this.#calibration },
    };
    this.label = labelOf(request.task, configuration);
    this.name.value = freeName(model.name, configuration, taken);
  }

  /** One file that has all that its loaders need, under names of its own. */
  get isGguf(): boolean {
    return this.report.configuration.container === 'gguf';
  }

  get blob(): Blob {
    return this.#result.blob();
  }

  get model(): OpenModel {
    return this.#model;
  }

  get #calibration(): readonly string[] {
    return this.request.choice.bits === 16 ? [] : (this.request.data?.names ?? []);
  }

  #commandFor(output: string): string {
    const { task, choice } = this.request;
    const isUsual = output === outputName(this.#model.name, this.report.configuration);
    return commandOf(choice, {
      task,
      model: this.#model.path,
      output,
      isNamed: !isUsual || task !== 'quantize',
      calibration: this.#calibration,
    });
  }

  /** Nothing happens if nothing is left of the name, or another run has it. */
  rename(typed: string, taken: readonly string[]): void {
    const name = asFileName(typed, this.report.configuration.container);
    if (name !== undefined && !taken.includes(name)) this.name.value = name;
  }

  /** Asks for a place where the browser can, and downloads elsewhere. */
  async save(): Promise<void> {
    const name = this.name.peek();
    try {
      const file = await this.saving.run((run) => saveBlob(this.blob, name, run));
      this.saved.value = { file, name };
    } catch {
      // The work has kept what went wrong.
    }
  }

  /**
   * A folder as loaders want it: the weights under the name that they look for, the config.json that describes them,
   * and what stood beside the model.
   */
  async saveAsFolder(): Promise<void> {
    const { config, beside } = this.#model;
    try {
      await this.saving.run(async (run) => {
        const described = config && (await this.#describe(config));
        const place = await saveFolder(
          [
            { name: `model.${this.report.configuration.container}`, blob: this.blob },
            ...(described === undefined ? [] : [{ name: 'config.json', blob: described }]),
            ...beside.filter(isWanted).map((file) => ({ name: file.name, blob: file as Blob })),
          ],
          run,
        );
        this.saved.value = place;
      });
    } catch {
      // The work has kept what went wrong.
    }
  }

  /** Reads the output back beside the model: what was saved where it can be read, else what was kept. */
  async validate(): Promise<void> {
    this.validation.value = undefined;
    try {
      this.validation.value = await this.validating.run(async (run) => {
        const saved = this.saved.peek()?.file;
        const isReadable = saved !== undefined && saved !== 'download';
        const file = isReadable ? await saved.getFile() : this.blob;
        // A GGUF file has other names than its model.
        return this.isGguf ? validate(file, run) : this.#model.handle.validate({ file, ...run });
      });
    } catch {
      // The work has kept what went wrong.
    }
  }

  /** Of a tensor's weights before and after. */
  async distribution(tensor: string, signal: AbortSignal): Promise<Distribution | undefined> {
    if (this.isGguf) return undefined;
    try {
      const { handle } = this.#model;
      return await handle.distribution(this.blob, tensor, { signal });
    } catch (error) {
      if (isAborted(error)) return undefined;
      throw error;
    }
  }

  /** As a page that needs nothing else: the file that `--report NAME.html` writes. */
  async saveReport(): Promise<void> {
    try {
      await this.saving.run(async () => {
        const { reportPage } = await import('./report-page.js');
        const { report, model, request } = this;
        const [name, command] = [this.name.peek(), this.command.peek()];
        const { task } = request;
        download(
          reportPage({ report, model, task, name, command }),
          name.replace(/\.\w+$/, '-report.html'),
        );
      });
    } catch {
      // The work has kept what went wrong.
    }
  }

  /**
   * Saves a model folder's config.json with what loaders need to know of the output. All else stays as it is.
   */
  async saveConfig(config: File): Promise<void> {
    try {
      await this.saving.run(async (run) =>
        saveBlob(await this.#describe(config), 'config.json', run),
      );
    } catch {
      // The work has kept what went wrong.
    }
  }

  async #describe(config: File): Promise<Blob> {
    const bytes = new Uint8Array(await config.arrayBuffer());
    return new Blob([describeOutput(bytes, this.report)], { type: 'application/json' });
  }

  close(): Promise<void> {
    this.saving.cancel();
    this.validating.cancel();
    return this.#result.close();
  }
}

/** Weights of other formats, and what other tools say of codes, would be loaded by mistake. */
const UNWANTED =
  /\.(safetensors|bin|pt|pth|pt2|ckpt|h5|msgpack|ot|onnx|onnx_data|gguf|tflite|npz|npy|pkl|pickle|tar|zip|zst)$|\.index\.json$|^(config|hf_quant_config|quant_config|quantize_config|quantization_config|quanto_qmap|adapter_config)\.json$|^\./i;

function isWanted({ name }: File): boolean {
  return !UNWANTED.test(name);
}
