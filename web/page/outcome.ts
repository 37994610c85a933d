/**
 * A finished run and what can be done with it: save it, check it, look at its tensors.
 * It exists apart from the workbench because it goes as a whole when the next run begins.
 * The output is where the browser keeps it until close(); what was saved stays.
 */
import { signal } from '@preact/signals';
import {
  type Distribution,
  describeOutput,
  type QuantizeResult,
  type Report,
  type Validation,
} from 'monoquant';
import { commandOf, type Options, outputName } from './command.js';
import { isAborted } from './fault.js';
import type { OpenModel } from './open-model.js';
import { type Saved, saveBlob } from './save.js';
import { Work } from './work.js';

/** What was saved last. */
export interface SavedOutput {
  readonly file: Saved;
  readonly name: string;
  /** If it was compressed: how many bytes that left. */
  readonly packedBytes?: number;
}

export class Outcome {
  readonly report: Report;
  readonly name: string;
  readonly command: string;
  readonly saving = new Work();
  readonly validating = new Work();
  readonly saved = signal<SavedOutput | undefined>(undefined);
  readonly validation = signal<Validation | undefined>(undefined);
  readonly #result: QuantizeResult;
  readonly #model: OpenModel;

  constructor(
    result: QuantizeResult,
    model: OpenModel,
    options: Options,
    calibration: readonly string[],
  ) {
    this.#result = result;
    this.#model = model;
    this.report = {
      ...result.report,
      // The page calibrates once and plans often: the report names the files, as the command does.
      configuration: { ...result.report.configuration, calibration },
    };
    this.name = outputName(model.name, result.report.configuration);
    this.command = commandOf(options, { model: model.path, output: this.name, calibration });
  }

  get blob(): Blob {
    return this.#result.blob();
  }

  /** Asks for a place where the browser can, and downloads elsewhere. */
  async save(): Promise<void> {
    const { name } = this;
    try {
      const file = await this.saving.run((run) => saveBlob(this.blob, name, run));
      this.saved.value = { file, name };
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
        return this.#model.handle.validate({ file, ...run });
      });
    } catch {
      // The work has kept what went wrong.
    }
  }

  /** Of a tensor's weights before and after. */
  async distribution(tensor: string, signal: AbortSignal): Promise<Distribution | undefined> {
    try {
      const { handle } = this.#model;
      return await handle.distribution(this.blob, tensor, { signal });
    } catch (error) {
      if (isAborted(error)) return undefined;
      throw error;
    }
  }

  /**
   * Saves a model folder's config.json with what loaders need to know of the output. All else stays as it is.
   */
  async saveConfig(config: File): Promise<void> {
    try {
      await this.saving.run(async (run) => {
        const bytes = new Uint8Array(await config.arrayBuffer());
        const json = describeOutput(bytes, this.report);
        return saveBlob(new Blob([json], { type: 'application/json' }), 'config.json', run);
      });
    } catch {
      // The work has kept what went wrong.
    }
  }

  close(): Promise<void> {
    this.saving.cancel();
    this.validating.cancel();
    return this.#result.close();
  }
}
