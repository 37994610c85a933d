/**
 * The files of a model on this machine: which they are follows from what was named, a file, a folder or an index.
 */
import { existsSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import { MODEL_CONFIG, MOST_CONFIG_BYTES } from '../js/api/model-config.js';
import {
  chooseModel,
  filesOfIndex,
  isIndexName,
  isShardName,
  MOST_INDEX_BYTES,
  readIndex,
  shardsWith,
} from '../js/api/model-files.js';
import { InputFile } from './input-file.js';
import type { SizedFile } from './open-file.js';
import type { ModelFiles } from './opened-files.js';
import { readFailed } from './read-failed.js';
import { reasonOf } from './reason.js';

/** False also where the system does not say: whoever opens it will tell why. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The folder that a model is. */
export function folderOf(path: string): string | undefined {
  if (isFolder(path)) return path;
  const folder = dirname(path);
  if (isIndexName(path)) return folder;
  const isWeights = WEIGHTS_OF_FOLDER.test(basename(path)) || isShardName(path);
  return isWeights && existsSync(join(folder, MODEL_CONFIG)) ? folder : undefined;
}

/** What libraries call the weights of a folder: such a file stands for its folder. */
const WEIGHTS_OF_FOLDER =
  /^(model|pytorch_model|diffusion_pytorch_model)\.(safetensors|bin)(\.zst)?$/;

/** Opens all files of the model that `path` leads to, each by `open`, which knows them if one cannot be opened. */
export function openLocal(path: string, open: (path: string) => InputFile): ModelFiles {
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
function openShards(path: string, open: (path: string) => InputFile): ModelFiles {
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
function openBesideFile(
  path: string,
  open: (path: string) => InputFile,
): Pick<ModelFiles, 'folder'> {
  const folder = folderOf(path);
  return folder === undefined ? {} : openBeside(folder, namesIn(folder), open);
}

function openBeside(
  folder: string,
  names: readonly string[],
  open: (path: string) => InputFile,
): Required<Pick<ModelFiles, 'folder'>> {
  const path = async () => folder;
  if (!names.includes(MODEL_CONFIG)) return { folder: { names, path } };
  const input = open(join(folder, MODEL_CONFIG));
  return { folder: { names, path, config: { input, content: () => readConfigBytes(input.file) } } };
}

function openIndexed(
  path: string,
  names: readonly string[],
  open: (path: string) => InputFile,
): ModelFiles {
  const index = open(path);
  const { weightMap, metadata } = readIndex(readIndexBytes(index.file), path);
  const folder = dirname(path);
  const files = filesOfIndex(weightMap, basename(path), names, `"${folder}"`);
  return {
    index,
    weightMap,
    indexMetadata: metadata,
    parts: files.map((name) => open(join(folder, name))),
  };
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

function readConfigBytes(file: SizedFile): Uint8Array<ArrayBuffer> {
  if (file.size <= MOST_CONFIG_BYTES) return contentOf(file);
  const message = `Expected a configuration of at most ${MOST_CONFIG_BYTES} bytes, found ${file.size} in "${file.path}".`;
  throw new MonoquantError('limit-exceeded', message);
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
