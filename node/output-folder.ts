/**
 * A folder as output: the weights, the config.json that describes them, and all that stood beside the model.
 * Loaders take folders: without the tokenizer, or with a configuration of other weights, they load nothing or nonsense.
 * Places are claimed before the work; each file appears whole or not at all; no input is ever replaced.
 */
import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { GPTQ_CONFIG } from '../js/api/beside-weights.js';
import { MonoquantError } from '../js/api/errors.js';
import { MODEL_CONFIG, type ModelConfig, type OutputConfig } from '../js/api/model-config.js';
import { isIndexName, isShardName, listed } from '../js/api/model-files.js';
import type { OutputFormat } from '../js/api/schemes.js';
import { option, say } from '../js/api/sentence.js';
import { addressOf } from '../js/url/address.js';
import { SIDE_NAMES } from '../js/url/side-names.js';
import { isFolder } from './local-files.js';
import { ModelInput } from './model-input.js';
import { OutputFile } from './output-file.js';
import { isAboutCodes, otherWeightsIn, sideFilesIn } from './side-files.js';
import { checkName } from './windows-name.js';
import { writeFailed } from './write-failed.js';

/** Everything that an output folder will hold besides the weights. */
export async function filesBeside(model: string, folder: string): Promise<readonly string[]> {
  const names = addressOf(model) === undefined ? await sideFilesOf(model) : SIDE_NAMES;
  return names.map((name) => join(folder, name));
}

async function sideFilesOf(model: string): Promise<readonly string[]> {
  const input = await ModelInput.open(model);
  input.close();
  const source = await input.folder();
  return source === undefined ? [] : sideFilesIn(source);
}

export interface MadeFolder {
  /** Those that a folder was made in: their entries are to last. */
  readonly parents: readonly string[];
  /** Removes what was made, as far as it is empty. */
  readonly undo: () => void;
}

/** Makes a folder, and those that it lies in, where there are none. */
export function makeFolder(folder: string): MadeFolder {
  const made: string[] = [];
  const undo = () => {
    try {
      for (const path of [...made].reverse()) rmdirSync(path);
    } catch {
      // There is something in it.
    }
  };
  try {
    checkName(folder);
    // One by one: Node's own way never ends where a folder cannot have others, as in /proc.
    for (const path of missingFolders(folder)) {
      if (make(path)) made.push(path);
    }
    return { parents: made.map((path) => dirname(path)), undo };
  } catch (error) {
    undo();
    throw writeFailed(folder, error);
  }
}

/** Those that have to be made, outermost first. */
function missingFolders(folder: string): readonly string[] {
  const missing = missingAbove(resolve(folder), existsSync, dirname);
  if (missing.length > 0 || isFolder(folder)) return missing;
  const message = `Expected a folder for the output, found a file at "${folder}".`;
  throw new MonoquantError('output-exists', message, { suggestion: 'Choose another name.' });
}

/** `path` and those around it that are not there, outermost first. A drive of Windows may be one of them. */
export function missingAbove(
  path: string,
  isThere: (path: string) => boolean,
  around: (path: string) => string,
): readonly string[] {
  const missing: string[] = [];
  for (let each = path; !isThere(each); each = around(each)) {
    missing.unshift(each);
    if (around(each) === each) break;
  }
  return missing;
}

/** False if another run has made it meanwhile. */
function make(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (isFolder(folder)) return false;
    throw error;
  }
}

interface SideFile {
  readonly source: string;
  readonly path: string;
  readonly bytes: number;
  readonly file: OutputFile;
}

/** The model whose folder is to be followed. */
export type FolderSource = Pick<ModelInput, 'identities'> &
  Partial<Pick<ModelInput, 'folder' | 'readConfig'>>;

export interface FolderTerms {
  readonly force: boolean;
  /** What is said of codes beside the weights stays true. */
  readonly keepsCodes: boolean;
  /** Of what is quantized, if anything is; by default one that has no file of its own beside config.json. */
  readonly format?: OutputFormat;
}

export class OutputFolder {
  readonly #made: MadeFolder[] = [];
  readonly #sideFiles: SideFile[] = [];
  #config: { readonly before: ModelConfig; readonly file: OutputFile } | undefined;
  /** What GPTQ's loaders look for beside it. */
  #gptqConfig: OutputFile | undefined;

  /**
   * `weights` is the file of weights in it, which is there. Throws before anything is written if a place is taken, the
   * model's configuration is none, or loaders would take something else in the folder for the model.
   */
  static async begin(
    weights: string,
    model: FolderSource,
    { force, keepsCodes, format }: FolderTerms,
  ): Promise<OutputFolder> {
    const folder = dirname(weights);
    const config = model.readConfig?.();
    const before = keepsCodes ? config : config?.withoutQuantization();
    const { identities } = model;
    const source = await model.folder?.();
    const claimed = new OutputFolder();
    try {
      const left = keepsCodes ? () => false : isAboutCodes;
      claimed.#claim(folder, { source, identities }, { force, before, left });
      if (claimed.#config !== undefined && format === 'gptq') {
        const choices = { force, inputs: identities, isCompanion: true };
        claimed.#gptqConfig = OutputFile.create(join(folder, GPTQ_CONFIG), choices);
      }
      // Whether it will be one file or several is not known yet.
      const isWeights = (name: string) =>
        name === basename(weights) || isShardName(name) || isIndexName(name);
      claimed.checkAlone(weights, isWeights);
      return claimed;
    } catch (error) {
      claimed.discard();
      throw error;
    }
  }

  #claim(
    folder: string,
    {
      source,
      identities,
    }: { readonly source: string | undefined; readonly identities: FolderSource['identities'] },
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
    const choices = { force, inputs: identities };
    if (before !== undefined) {
      this.#config = { before, file: OutputFile.create(join(folder, MODEL_CONFIG), choices) };
    }
    const seen = new Set<string>();
    if (source === undefined) return;
    for (const name of sideFilesIn(source)) {
      if (name === MODEL_CONFIG || left(name)) continue;
      const path = join(folder, name);
      this.#made.push(makeFolder(dirname(path)));
      const from = join(source, name);
      const { size: bytes } = statSync(from);
      // One file of each folder keeps other runs away from all of them.
      const isCompanion = seen.has(dirname(path));
      seen.add(dirname(path));
      const file = OutputFile.create(path, { ...choices, isCompanion });
      this.#sideFiles.push({ source: from, path, bytes, file });
    }
  }

  /**
   * Throws if loaders would take something else in the folder than what `isWritten` tells of. A folder without a
   * configuration is no model's: whoever reads it names a file.
   */
  checkAlone(weights: string, isWritten: (name: string) => boolean): void {
    const folder = dirname(weights);
    if (this.#config === undefined && !existsSync(join(folder, MODEL_CONFIG))) return;
    const beside = this.#sideFiles.filter(({ path }) => dirname(path) === folder);
    const written = new Set(beside.map(({ path }) => basename(path)));
    if (this.#gptqConfig !== undefined) written.add(GPTQ_CONFIG);
    const others = otherWeightsIn(folder, (name) => written.has(name) || isWritten(name));
    if (others.length === 0) return;
    throw new MonoquantError(
      'output-exists',
      `The output folder "${folder}" holds what loaders would take instead of "${basename(weights)}" or beside it: ${listed(others)}.`,
      {
        suggestion: say`Move it away, or choose another folder: ${option('force')} replaces only files that the run writes itself.`,
      },
    );
  }

  /** Those in which folders were made. */
  get parents(): readonly string[] {
    return this.#made.flatMap(({ parents }) => parents);
  }

  /** Bytes that it takes besides the weights, but for the configuration. */
  get bytes(): number {
    return this.#sideFiles.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** When the weights are complete: what loaders are told of them. Returns what is to be published with them. */
  async fill(config: OutputConfig): Promise<readonly OutputFile[]> {
    for (const { source, file } of this.#sideFiles) await file.fillFrom(source, false);
    this.#config?.file.fill(this.#config.before.describing(config).bytes());
    if (config.quantization === null) {
      this.#gptqConfig?.discard();
      this.#gptqConfig = undefined;
    }
    this.#gptqConfig?.fill(
      new TextEncoder().encode(`${JSON.stringify(config.quantization, null, 2)}\n`),
    );
    return this.#files;
  }

  /** Harmless after the files were published. */
  discard(): void {
    for (const file of this.#files) file.discard();
    for (const { undo } of this.#made.reverse()) undo();
  }

  get #files(): readonly OutputFile[] {
    const files = this.#sideFiles.map(({ file }) => file);
    const configs = [this.#config?.file, this.#gptqConfig].filter((file) => file !== undefined);
    return [...files, ...configs];
  }
}
