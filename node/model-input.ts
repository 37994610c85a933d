/**
 * A model that is open for reading: one file, or the files of a folder or of an index.
 * It exists so that a path means the same model wherever one is named.
 * All of its files are open from before the work until after it, and none of them may be an output.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import {
  chooseModel,
  filesOfIndex,
  isIndexName,
  MOST_INDEX_BYTES,
  readIndex,
  type WeightMap,
} from '../js/api/model-files.js';
import type { OneOrShards } from '../js/engine/shards.js';
import { InputFile, pathOf } from './input-file.js';
import type { FileIdentity, SizedFile } from './open-file.js';
import { reasonOf } from './reason.js';

export type ModelFile = OneOrShards<SizedFile>;

export class ModelInput {
  /** Of the file, or what was named where it is several. */
  readonly path: string;
  readonly source: ModelFile;
  /** Of all files. */
  readonly bytes: number;
  /** Those of the model, and its index where there is one. */
  readonly #files: readonly InputFile[];

  private constructor(path: string, files: Files) {
    const { parts, index, weightMap } = files;
    const [first] = parts;
    const isOne = parts.length === 1 && first !== undefined && index === undefined;
    this.path = isOne ? first.file.path : path;
    this.source = isOne
      ? first.file
      : {
          shards: parts.map(({ file }) => ({ name: basename(file.path), source: file })),
          weightMap,
        };
    this.bytes = parts.reduce((sum, { file }) => sum + file.size, 0);
    this.#files = index === undefined ? parts : [...parts, index];
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

  get identities(): readonly FileIdentity[] {
    return this.#files.map(({ identity }) => identity);
  }

  /** Throws where what was read may be a mixture of two versions. */
  checkUnchanged(): void {
    for (const file of this.#files) file.checkUnchanged();
  }

  close(): void {
    for (const file of this.#files) file.close();
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

interface Files {
  readonly parts: readonly InputFile[];
  readonly index?: InputFile;
  readonly weightMap?: WeightMap;
}

function openFiles(path: string, open: (path: string) => InputFile): Files {
  if (isFolder(path)) {
    const names = namesIn(path);
    const choice = chooseModel(names, `"${path}"`);
    if (choice.index !== undefined) return openIndexed(join(path, choice.index), names, open);
    return { parts: choice.files.map((name) => open(join(path, name))) };
  }
  if (isIndexName(path)) {
    // First of all: an index that is not there is told as such, not as a folder that cannot be read.
    InputFile.open(path).close();
    return openIndexed(path, namesIn(dirname(path)), open);
  }
  return { parts: [open(path)] };
}

function openIndexed(
  path: string,
  names: readonly string[],
  open: (path: string) => InputFile,
): Files {
  const index = open(path);
  const weightMap = readIndex(readText(index.file), path);
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

function readText({ descriptor, path, size }: SizedFile): string {
  if (size > MOST_INDEX_BYTES) {
    throw new MonoquantError(
      'limit-exceeded',
      `Expected an index of at most ${MOST_INDEX_BYTES} bytes, found ${size} in "${path}".`,
      { suggestion: 'Download the index again.' },
    );
  }
  try {
    return readFileSync(descriptor, 'utf8');
  } catch (cause) {
    const message = `Could not read "${path}": ${reasonOf(cause)}.`;
    throw new MonoquantError('read-failed', message, { cause });
  }
}
