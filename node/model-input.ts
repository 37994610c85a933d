/**
 * A model that is open for reading: one file, or the files of a folder or of an index.
 * All of its files are open from before the work until after it, and none of them may be an output.
 */
import { existsSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type BesideWeights, besideWeights, NOTHING_BESIDE } from '../js/api/beside-weights.js';
import { MonoquantError } from '../js/api/errors.js';
import { MODEL_CONFIG, MOST_CONFIG_BYTES, ModelConfig } from '../js/api/model-config.js';
import {
  chooseModel,
  filesOfIndex,
  isIndexName,
  isShardName,
  MOST_INDEX_BYTES,
  readIndex,
  shardsWith,
  type WeightMap,
} from '../js/api/model-files.js';
import type { OneOrShards } from '../js/engine/shards.js';
import { InputFile, pathOf } from './input-file.js';
import type { FileIdentity, SizedFile } from './open-file.js';
import { readFailed } from './read-failed.js';
import { reasonOf } from './reason.js';

export type ModelFile = OneOrShards<SizedFile>;

export class ModelInput {
  /** As it was named: a file, a folder or an index. */
  readonly named: string;
  /** Of the file, or what was named if it is several. */
  readonly path: string;
  readonly source: ModelFile;
  /** Of all files. */
  readonly bytes: number;
  /** The folder that the model is, with all that stands beside its weights; undefined for a file of its own. */
  readonly folder: string | undefined;
  /** Those of the model, its index and its configuration where there are any. */
  readonly #files: readonly InputFile[];
  /** The weights among them. */
  readonly #parts: readonly InputFile[];
  readonly #config: InputFile | undefined;
  readonly beside: BesideWeights;

  /** False if nobody can open it again by its path: it was given as bytes, or is open already. */
  readonly hasPath: boolean;
  readonly #release: (() => void) | undefined;

  private constructor(named: string, files: Files, hasPath = true, release?: () => void) {
    this.hasPath = hasPath;
    this.#release = release;
    const { parts, index, weightMap, folder, names, config, fault } = files;
    const [first] = parts;
    const isOne = parts.length === 1 && first !== undefined && index === undefined;
    this.named = named;
    this.path = isOne ? first.file.path : named;
    this.source = isOne
      ? first.file
      : {
          shards: parts.map(({ file }) => ({ name: basename(file.path), source: file })),
          weightMap,
        };
    this.bytes = parts.reduce((sum, { file }) => sum + file.size, 0);
    this.folder = folder;
    this.#config = config;
    this.#parts = parts;
    this.#files = [...parts, index, config].filter((file) => file !== undefined);
    const beside =
      names === undefined ? NOTHING_BESIDE : besideWeights(names, () => this.readConfig());
    this.beside = fault === undefined ? beside : { ...beside, fault };
  }

  static open(model: string | URL): ModelInput {
    const path = pathOf(model);
    const opened: InputFile[] = [];
    const open = (name: string) => {
      const file = InputFile.open(name);
      opened.push(file);
      return file;
    };
    try {
      return new ModelInput(path, openFiles(path, open));
    } catch (error) {
      for (const file of opened) file.close();
      throw error;
    }
  }

  /** A file that has no name of its own; `release` is called when it is closed. */
  static ofFile(file: InputFile, release?: () => void): ModelInput {
    return new ModelInput(file.file.path, { parts: [file] }, false, release);
  }

  get isPacked(): boolean {
    return this.#parts.some((file) => file.isZstd);
  }

  get identities(): readonly FileIdentity[] {
    return this.#files.map(({ identity }) => identity);
  }

  /** The config.json of the folder; undefined where it has none. Throws where it cannot be understood. */
  readConfig(): ModelConfig | undefined {
    if (this.#config === undefined) return undefined;
    const { file } = this.#config;
    if (file.size > MOST_CONFIG_BYTES) {
      const message = `Expected a configuration of at most ${MOST_CONFIG_BYTES} bytes, found ${file.size} in "${file.path}".`;
      throw new MonoquantError('limit-exceeded', message);
    }
    return ModelConfig.parse(contentOf(file), file.path);
  }

  /** Throws where what was read may be a mixture of two versions. */
  checkUnchanged(): void {
    for (const file of this.#files) file.checkUnchanged();
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#release?.();
  }
}

/** False also where the system does not say: whoever opens it will tell why. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether the model is a folder, or what stands for one: its index, or its weights beside a configuration. */
export function standsForFolder(path: string): boolean {
  return folderOf(path) !== undefined;
}

/** The folder that a model is. */
export function folderOf(path: string): string | undefined {
  if (isFolder(path)) return path;
  const folder = dirname(path);
  if (isIndexName(path)) return folder;
  const isWeights = WEIGHTS_OF_FOLDER.test(basename(path)) || isShardName(path);
  return isWeights && existsSync(join(folder, MODEL_CONFIG)) ? folder : undefined;
}

interface Files {
  readonly parts: readonly InputFile[];
  readonly index?: InputFile;
  readonly weightMap?: WeightMap;
  readonly folder?: string;
  /** All files in it. */
  readonly names?: readonly string[];
  readonly config?: InputFile;
  /** Why it is not the whole model. */
  readonly fault?: MonoquantError;
}

/** What libraries call the weights of a folder: such a file stands for its folder. */
const WEIGHTS_OF_FOLDER = /^(model|pytorch_model|diffusion_pytorch_model)\.(safetensors|bin)(\.zst)?$/;

function openFiles(path: string, open: (path: string) => InputFile): Files {
  if (isFolder(path)) {
    const names = namesIn(path);
    const choice = chooseModel(names, `"${path}"`);
    const beside = openBeside(path, names, open);
    if (choice.index !== undefined) {
      return { ...openIndexed(join(path, choice.index), names, open), ...beside };
    }
    return { parts: choice.files.map((name) => open(join(path, name))), ...beside };
  }
  if (isIndexName(path)) {
    // First of all: an index that is not there is told as such, not as a folder that cannot be read.
    InputFile.open(path).close();
    const names = namesIn(dirname(path));
    return { ...openIndexed(path, names, open), ...openBeside(dirname(path), names, open) };
  }
  if (isShardName(path)) return openShards(path, open);
  const parts = [open(path)];
  return { parts, ...openBesideFile(path, open) };
}

/** One of numbered files stands for all of them. */
function openShards(path: string, open: (path: string) => InputFile): Files {
  InputFile.open(path).close(); // what is not there is told as such
  const folder = dirname(path);
  const names = namesIn(folder);
  const { files, index, fault } = shardsWith(basename(path), names, `"${folder}"`);
  const beside = openBesideFile(path, open);
  if (index !== undefined) return { ...openIndexed(join(folder, index), names, open), ...beside };
  const parts = files.map((name) => open(join(folder, name)));
  return { parts, ...beside, ...(fault && { fault }) };
}

/** The folder, if the file stands for it. */
function openBesideFile(path: string, open: (path: string) => InputFile): Partial<Files> {
  const folder = folderOf(path);
  return folder === undefined ? {} : openBeside(folder, namesIn(folder), open);
}

function openBeside(
  folder: string,
  names: readonly string[],
  open: (path: string) => InputFile,
): Pick<Files, 'folder' | 'names' | 'config'> {
  if (!names.includes(MODEL_CONFIG)) return { folder, names };
  return { folder, names, config: open(join(folder, MODEL_CONFIG)) };
}

function openIndexed(
  path: string,
  names: readonly string[],
  open: (path: string) => InputFile,
): Files {
  const index = open(path);
  const weightMap = readIndex(readIndexBytes(index.file), path);
  const folder = dirname(path);
  const files = filesOfIndex(weightMap, basename(path), names, `"${folder}"`);
  return { index, weightMap, parts: files.map((name) => open(join(folder, name))) };
}

/** Of its files, and of what links may lead to files. */
function namesIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  } catch (cause) {
    const message = `Could not list "${folder}": ${reasonOf(cause)}.`;
    throw new MonoquantError('read-failed', message, { cause });
  }
}

function readIndexBytes(file: SizedFile): Uint8Array<ArrayBuffer> {
  if (file.size > MOST_INDEX_BYTES) {
    throw new MonoquantError(
      'limit-exceeded',
      `Expected an index of at most ${MOST_INDEX_BYTES} bytes, found ${file.size} in "${file.path}".`,
      { suggestion: 'Download the index again.' },
    );
  }
  return contentOf(file);
}

function contentOf({ descriptor, path, size }: SizedFile): Uint8Array<ArrayBuffer> {
  try {
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, size, 0));
  } catch (cause) {
    throw readFailed(path, cause);
  }
}
