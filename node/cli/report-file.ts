/**
 * The file of `--report`: claimed before the work, written after it.
 * It exists so that a bad path is told before an hour of work, and a failed run leaves no report.
 * Appears whole or not at all; never takes the place of the model or of the output.
 */
import { realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ModelInput } from '../model-input.js';
import { OutputFile } from '../output-file.js';
import { writeFailed } from '../write-failed.js';
import { usageError } from './failure.js';

export interface ReportPlace {
  readonly path: string;
  readonly force: boolean;
  readonly model: string;
  readonly outputs: readonly string[];
}

export class ReportFile {
  readonly #path: string;
  readonly #file: OutputFile;

  private constructor(path: string, file: OutputFile) {
    this.#path = path;
    this.#file = file;
  }

  static begin({ path, force, model, outputs }: ReportPlace): ReportFile {
    if (outputs.some((output) => realPath(path) === realPath(output))) {
      throw usageError(`--report "${path}" is the output itself.`, 'Choose another name.');
    }
    // Opened for its identities; a model that is not there is the first thing to tell.
    const input = ModelInput.open(model);
    try {
      return new ReportFile(path, OutputFile.create(path, { force, inputs: input.identities }));
    } finally {
      input.close();
    }
  }

  finish(text: string): void {
    try {
      writeFileSync(this.#file.file.descriptor, text);
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
    this.#file.commit();
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
