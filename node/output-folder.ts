/**
 * A folder as output: the weights, the config.json that describes them, and all that stood beside the model.
 * Loaders take folders: without the tokenizer, or with a configuration of other weights, they load nothing or nonsense.
 * Places are claimed before the work; each file appears whole or not at all; no input is ever replaced.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import { MODEL_CONFIG, type ModelConfig, type OutputConfig } from '../js/api/model-config.js';
import { isIndexName, listed, MODEL_FILE } from '../js/api/model-files.js';
import { option, say } from '../js/api/sentence.js';
import type { Container } from '../js/api/types.js';
import { isFolder, ModelInput } from './model-input.js';
import { OutputFile } from './output-file.js';
import { codeOf } from './reason.js';
import { isAboutCodes, otherWeightsIn, sideFilesIn } from './side-files.js';
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
  return namesFolder(output, model) ? join(output, `${stemIn(model)}.${container}`) : output;
}

/** Names that libraries look for; whatever else a model was called, it is `model` in a folder. */
const STEM = /^(diffusion_pytorch_model)[.-]/;

/** What a model's file of weights is called in its folder, without its ending. */
function stemIn(model: string): string {
  const [stem = 'model'] = namesOf(model).flatMap((name) => STEM.exec(name)?.[1] ?? []);
  return stem;
}

function namesOf(model: string): readonly string[] {
  try {
    return isFolder(model) ? readdirSync(model) : [basename(model)];
  } catch {
    return []; // whoever opens it tells why
  }
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
    // Another run may have made it meanwhile.
    if (isFolder(folder)) return () => {};
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
  readonly bytes: number;
  readonly file: OutputFile;
}

interface Terms {
  readonly force: boolean;
  readonly keepsCodes: boolean;
}

export class OutputFolder {
  readonly #undo: (() => void)[] = [];
  readonly #sideFiles: SideFile[] = [];
  /** That its own entries last, and those of what was made in it. */
  readonly folders: string[];
  #config: { readonly before: ModelConfig; readonly file: OutputFile } | undefined;

  private constructor(folder: string) {
    this.folders = [folder, dirname(folder)];
  }

  /**
   * `weights` is the file of weights in it; `keepsCodes`: what is said of codes stays true. Throws before anything is
   * written where a place is taken, the model's configuration is none, or loaders would take something else in the
   * folder for the model.
   */
  static begin(weights: string, model: ModelInput, { force, keepsCodes }: Terms): OutputFolder {
    const folder = dirname(weights);
    const config = model.readConfig();
    const before = keepsCodes ? config : config?.withoutQuantization();
    const claimed = new OutputFolder(folder);
    try {
      const left = keepsCodes ? () => false : isAboutCodes;
      claimed.#claim(folder, model, { force, before, left });
      claimed.#checkAlone(folder, basename(weights));
      return claimed;
    } catch (error) {
      claimed.discard();
      throw error;
    }
  }

  #claim(
    folder: string,
    { folder: source, identities }: ModelInput,
    {
      force,
      before,
      left,
    }: {
      readonly force: boolean;
      readonly before: ModelConfig | undefined;
      readonly left: (name: string) => boolean;
    },
  ): void {
    this.#undo.push(makeFolder(folder));
    const choices = { force, inputs: identities };
    if (before !== undefined) {
      this.#config = { before, file: OutputFile.create(join(folder, MODEL_CONFIG), choices) };
    }
    const seen = new Set<string>();
    if (source === undefined) return;
    for (const name of sideFilesIn(source)) {
      if (name === MODEL_CONFIG || left(name)) continue;
      const path = join(folder, name);
      this.#makeFolders(folder, dirname(path));
      const from = join(source, name);
      const { size: bytes } = statSync(from);
      // One file of each folder keeps other runs away from all of them.
      const isCompanion = seen.has(dirname(path));
      seen.add(dirname(path));
      const file = OutputFile.create(path, { ...choices, isCompanion });
      this.#sideFiles.push({ source: from, path, bytes, file });
    }
  }

  /** A folder without a configuration is no model's: whoever reads it names a file. */
  #checkAlone(folder: string, weights: string): void {
    if (this.#config === undefined && !existsSync(join(folder, MODEL_CONFIG))) return;
    const beside = this.#sideFiles.filter(({ path }) => dirname(path) === folder);
    const written = new Set([weights, ...beside.map(({ path }) => basename(path))]);
    const others = otherWeightsIn(folder, written);
    if (others.length === 0) return;
    throw new MonoquantError(
      'output-exists',
      `The output folder "${folder}" holds what loaders would take instead of "${weights}" or beside it: ${listed(others)}.`,
      {
        suggestion: say`Move it away, or choose another folder: ${option('force')} replaces only files that the run writes itself.`,
      },
    );
  }

  /** Those between the output folder and a file in one of its folders. */
  #makeFolders(root: string, folder: string): void {
    if (folder === root || isFolder(folder) || folder === dirname(folder)) return;
    this.#makeFolders(root, dirname(folder));
    this.#undo.push(makeFolder(folder));
    this.folders.push(dirname(folder));
  }

  /** Bytes that it takes besides the weights, but for the configuration. */
  get bytes(): number {
    return this.#sideFiles.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** When the weights are complete: what loaders are told of them. Returns what is to be published with them. */
  async fill(config: OutputConfig): Promise<readonly OutputFile[]> {
    for (const { source, file } of this.#sideFiles) await file.fillFrom(source, false);
    this.#config?.file.fill(this.#config.before.describing(config).bytes());
    return this.#files;
  }

  /** Harmless after the files were published. */
  discard(): void {
    for (const file of this.#files) file.discard();
    for (const undo of this.#undo.reverse()) undo();
  }

  get #files(): readonly OutputFile[] {
    const files = this.#sideFiles.map(({ file }) => file);
    return this.#config === undefined ? files : [...files, this.#config.file];
  }
}
