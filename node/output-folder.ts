/**
 * A folder as output: the weights, the config.json that describes them, and all that stood beside the model.
 * Loaders take folders: without the tokenizer, or with a configuration of other weights, they load nothing or nonsense.
 * Places are claimed before the work; each file appears whole or not at all; no input is ever replaced.
 */
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import { MODEL_CONFIG, type ModelConfig, type OutputConfig } from '../js/api/model-config.js';
import { isIndexName, MODEL_FILE } from '../js/api/model-files.js';
import type { Container } from '../js/api/types.js';
import { isFolder, ModelInput } from './model-input.js';
import { OutputFile } from './output-file.js';
import { codeOf } from './reason.js';
import { sideFilesIn } from './side-files.js';
import { writeFailed } from './write-failed.js';

/**
 * Whether an output of this name is a folder: one that ends like a folder or, where it does not end like a file of
 * weights, one that is there or that is made of a model which is a folder itself.
 */
export function namesFolder(output: string, model: string): boolean {
  if (output.endsWith('/') || output.endsWith(sep)) return true;
  if (MODEL_FILE.test(output)) return false;
  return isFolder(output) || isFolder(model) || isIndexName(model);
}

/** The file of weights that an output of this name is, or that is to be in it. */
export function weightsOf(
  output: string,
  model: string,
  container: Container = 'safetensors',
): string {
  return namesFolder(output, model) ? join(output, `model.${container}`) : output;
}

/** Everything that an output folder will hold besides the weights. */
export function filesBeside(model: string | URL, folder: string): readonly string[] {
  const input = ModelInput.open(model);
  input.close();
  const { folder: source } = input;
  return source === undefined ? [] : sideFilesIn(source).map((name) => join(folder, name));
}

/** Makes a folder where there is none; returns what removes it again while it is empty. */
export function makeFolder(folder: string): () => void {
  if (isFolder(folder)) return () => {};
  try {
    mkdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      const message = `Expected a folder for the output, found a file at "${folder}".`;
      throw new MonoquantError('output-exists', message, { suggestion: 'Choose another name.' });
    }
    throw writeFailed(folder, error);
  }
  return () => {
    try {
      rmdirSync(folder);
    } catch {
      // There is something in it.
    }
  };
}

interface SideFile {
  readonly source: string;
  readonly path: string;
  readonly file: OutputFile;
}

export class OutputFolder {
  readonly #undo: (() => void)[] = [];
  readonly #sideFiles: SideFile[] = [];
  readonly #config: { readonly before: ModelConfig; readonly path: string } | undefined;
  #configFile: OutputFile | undefined;

  private constructor(folder: string, before: ModelConfig | undefined) {
    this.#config = before === undefined ? undefined : { before, path: join(folder, MODEL_CONFIG) };
  }

  /** Throws before anything is written where a place is taken, or the model's configuration is none. */
  static begin(folder: string, model: ModelInput, force: boolean): OutputFolder {
    const claimed = new OutputFolder(folder, model.readConfig());
    try {
      claimed.#claim(folder, model, force);
      return claimed;
    } catch (error) {
      claimed.discard();
      throw error;
    }
  }

  #claim(folder: string, { folder: source, identities }: ModelInput, force: boolean): void {
    this.#undo.push(makeFolder(folder));
    if (this.#config !== undefined) {
      this.#configFile = OutputFile.create(this.#config.path, { force, inputs: identities });
    }
    if (source === undefined) return;
    for (const name of sideFilesIn(source)) {
      if (name === MODEL_CONFIG) continue;
      const path = join(folder, name);
      this.#makeFolders(folder, dirname(path));
      const file = OutputFile.create(path, { force, inputs: identities });
      this.#sideFiles.push({ source: join(source, name), path, file });
    }
  }

  /** Those between the output folder and a file in one of its folders. */
  #makeFolders(root: string, folder: string): void {
    if (folder === root || isFolder(folder) || folder === dirname(folder)) return;
    this.#makeFolders(root, dirname(folder));
    this.#undo.push(makeFolder(folder));
  }

  /** When the weights are complete: what loaders are told of them. Nothing has its name before `commit`. */
  async fill(config: OutputConfig, keepsCodes: boolean): Promise<void> {
    for (const { source, file } of this.#sideFiles) await file.fillFrom(source, false);
    if (this.#config !== undefined && this.#configFile !== undefined) {
      const { before, path } = this.#config;
      const text = (keepsCodes ? before : before.withoutQuantization()).describing(config);
      try {
        writeFileSync(this.#configFile.file.descriptor, text);
      } catch (error) {
        throw writeFailed(path, error);
      }
    }
  }

  commit(): void {
    for (const { file } of this.#sideFiles) file.commit();
    this.#configFile?.commit();
  }

  /** Harmless after `commit`. */
  discard(): void {
    for (const { file } of this.#sideFiles) file.discard();
    this.#configFile?.discard();
    for (const undo of this.#undo.reverse()) undo();
  }
}
