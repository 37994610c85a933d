/**
 * The file of `--report`: claimed before the work, written after it.
 * It exists so that a bad path is told before an hour of work, and a failed run leaves no report.
 * Appears whole or not at all; never takes the place of the model or of the output.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ModelInput } from '../model-input.js';
import { OutputFile } from '../output-file.js';
import { publish } from '../publication.js';
import { usageError } from './failure.js';

export interface ReportPlace {
  readonly path: string;
  readonly force: boolean;
  readonly model: string;
  readonly outputs: readonly string[];
}

export class ReportFile {
  readonly #file: OutputFile;
  #isWritten = false;

  private constructor(file: OutputFile) {
    this.#file = file;
  }

  static begin({ path, force, model, outputs }: ReportPlace): ReportFile {
    if (outputs.some((output) => realPath(path) === realPath(output))) {
      throw usageError(`--report "${path}" is the output itself.`, 'Choose another name.');
    }
    // Opened for its identities; a model that is not there is the first thing to tell.
    const input = ModelInput.open(model);
    try {
      return new ReportFile(OutputFile.create(path, { force, inputs: input.identities }));
    } finally {
      input.close();
    }
  }

  /** With its content; it is for others to give it its name. */
  filled(text: string): OutputFile {
    this.#file.fill(text);
    this.#isWritten = true;
    return this.#file;
  }

  /** Gives it its name, if it did not appear with an output. */
  async finish(text: string): Promise<void> {
    if (!this.#isWritten) await publish([this.filled(text)]);
  }

  /** Leaves nothing behind. Harmless after `finish`. */
  discard(): void {
    this.#file.discard();
  }
}

/** Links followed as far as there is anything. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(resolve(path));
    return folder === resolve(path) ? folder : join(realPath(folder), basename(path));
  }
}
