/**
 * A model that is open for reading: one file, or the files of a folder or of an index, here or behind a URL.
 * All of its files are open from before the work until after it, and none of them may be an output.
 */
import { readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type BesideWeights, besideWeights, NOTHING_BESIDE } from '../js/api/beside-weights.js';
import { MonoquantError } from '../js/api/errors.js';
import { ModelConfig } from '../js/api/model-config.js';
import type { ModelIndex } from '../js/api/model-files.js';
import { checkSideFile, isForGguf, type SideFolder } from '../js/api/side-folder.js';
import type { OneOrShards } from '../js/engine/shards.js';
import { addressOf } from '../js/url/address.js';
import { cacheAround } from './download-cache.js';
import { InputFile, pathOf } from './input-file.js';
import { openLocal } from './local-files.js';
import type { FileIdentity } from './open-file.js';
import type { ModelFiles, ModelFolder, OpenedFile, SourceFile } from './opened-files.js';
import { readFailed } from './read-failed.js';
import { openBehindUrl } from './remote-files.js';
import { sideFilesIn } from './side-files.js';

export type ModelFile = OneOrShards<SourceFile>;

export class ModelInput {
  /** As it was named: a file, a folder or an index. */
  readonly named: string;
  /** What opens it again: of the file, or what was named if it is several. */
  readonly path: string;
  readonly source: ModelFile;
  /** Of all files. */
  readonly bytes: number;
  /** What its index says of the model; empty without one. */
  readonly indexMetadata: ModelIndex['metadata'];
  /** Those of the model, its index and its configuration where there are any. */
  readonly #files: readonly OpenedFile[];
  /** The weights among them. */
  readonly #parts: readonly OpenedFile[];
  readonly #folder: ModelFolder | undefined;
  readonly beside: BesideWeights;

  /** False if nobody can open it again by its path: it was given as bytes, or is open already. */
  readonly hasPath: boolean;
  readonly #release: (() => void) | undefined;

  private constructor(
    named: string,
    { parts, index, weightMap, indexMetadata, folder, fault }: ModelFiles,
    { hasPath = true, release }: { hasPath?: boolean; release?: (() => void) | undefined } = {},
  ) {
    this.hasPath = hasPath;
    this.#release = release;
    const [first] = parts;
    const isOne = parts.length === 1 && first !== undefined && index === undefined;
    this.named = named;
    this.path = isOne && 'descriptor' in first.file ? first.file.path : named;
    this.source = isOne
      ? first.file
      : { shards: parts.map(({ name, file }) => ({ name, source: file })), weightMap };
    this.bytes = parts.reduce((sum, { file }) => sum + file.size, 0);
    this.indexMetadata = indexMetadata ?? {};
    this.#folder = folder;
    this.#parts = parts;
    this.#files = [...parts, index, folder?.config?.input].filter((file) => file !== undefined);
    const beside =
      folder === undefined ? NOTHING_BESIDE : besideWeights(folder.names, () => this.readConfig());
    this.beside = fault === undefined ? beside : { ...beside, fault };
  }

  static async open(model: string | URL, signal?: AbortSignal): Promise<ModelInput> {
    const address = addressOf(model);
    if (address === undefined) return ModelInput.ofPath(pathOf(model));
    const { files, release } = await openBehindUrl(address, signal);
    return new ModelInput(String(model), files, { release });
  }

  private static ofPath(path: string): ModelInput {
    const opened: InputFile[] = [];
    const open = (name: string) => {
      const file = InputFile.open(name);
      opened.push(file);
      return file;
    };
    try {
      return new ModelInput(path, openLocal(path, open));
    } catch (error) {
      for (const file of opened) file.close();
      throw error;
    }
  }

  /** Of the files of a model on this machine, which are not kept open; of one behind a URL there are none. */
  static identitiesOf(model: string): readonly FileIdentity[] {
    if (addressOf(model) !== undefined) return [];
    const input = ModelInput.ofPath(model);
    input.close();
    return input.identities;
  }

  /** A file that has no name of its own; `release` is called when it is closed. */
  static ofFile(file: InputFile, release?: () => void): ModelInput {
    return new ModelInput(file.file.path, { parts: [file] }, { hasPath: false, release });
  }

  get isPacked(): boolean {
    return this.#parts.some((file) => file.isZstd);
  }

  /** The weights. */
  get parts(): readonly OpenedFile[] {
    return this.#parts;
  }

  get identities(): readonly FileIdentity[] {
    return this.#files.flatMap(({ identity }) => (identity === undefined ? [] : [identity]));
  }

  /** The folder that the model is, with all that stands beside its weights; undefined for a file of its own. */
  async folder(): Promise<string | undefined> {
    return this.#folder?.path();
  }

  /** What a GGUF file needs of the folder; undefined for a file of its own. */
  async readFolder(): Promise<SideFolder | undefined> {
    const folder = await this.folder();
    if (folder === undefined) return undefined;
    const paths = sideFilesIn(folder).filter(isForGguf);
    const files = paths.map((path) => ({ path, bytes: readSideFile(join(folder, path)) }));
    return { name: folderName(this.named, folder), files };
  }

  /** The config.json of the folder; undefined where it has none. Throws where it cannot be understood. */
  readConfig(): ModelConfig | undefined {
    const config = this.#folder?.config;
    return config && ModelConfig.parse(config.content(), config.input.file.path);
  }

  /** Throws where what was read may be a mixture of two versions. */
  async checkUnchanged(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.checkUnchanged()));
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#release?.();
  }
}

function readSideFile(path: string): Uint8Array {
  try {
    checkSideFile(path, statSync(path).size);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof MonoquantError) throw error;
    throw readFailed(path, error);
  }
}

/** What people call the model, wherever its files are kept. */
function folderName(named: string, folder: string): string {
  const address = addressOf(named);
  if (address === undefined) return cacheAround(folder)?.model ?? basename(resolve(folder));
  const around = new URL('.', address.url);
  return addressOf(around)?.name ?? address.name;
}
