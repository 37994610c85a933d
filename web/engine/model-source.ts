/**
 * A model in browsers: one File or Blob, the files of one model, or what its owner reads.
 * It exists because people drop whole folders, and models of several files.
 * Only names and an index are read here; what the files hold is for the engine.
 */

import { type BesideWeights, besideWeights, NOTHING_BESIDE } from '../../js/api/beside-weights.js';
import { unexpected } from '../../js/api/check.js';
import { MonoquantError } from '../../js/api/errors.js';
import { MODEL_CONFIG, MOST_CONFIG_BYTES, ModelConfig } from '../../js/api/model-config.js';
import {
  chooseModel,
  filesOfIndex,
  isIndexName,
  isShardName,
  MOST_INDEX_BYTES,
  readIndex,
  type WeightMap,
} from '../../js/api/model-files.js';
import {
  checkSideFile,
  isForGguf,
  type SideFile,
  type SideFolder,
} from '../../js/api/side-folder.js';
import type { OneOrShards } from '../../js/engine/shards.js';
import type { ModelSource, ReadableFile } from './blob-types.js';
import { isReadableFile, readFailure, type WebSource } from './readable-file.js';

type GivenFile = File | ReadableFile;

const WHERE = 'the files that were given';

/** What belongs to the model, the index first where there is one; the rest is left out. */
export async function modelOf<Given extends GivenFile>(
  files: readonly Given[],
): Promise<readonly Given[]> {
  const { index, parts } = await filesOf(files);
  return index === undefined ? parts : [index, ...parts];
}

/** The model as the engine's worker takes it. */
export async function sourceOf(model: ModelSource): Promise<OneOrShards<WebSource>> {
  if (model instanceof Blob || isReadableFile(model)) return model;
  const { index, parts, weightMap } = await filesOf(model);
  const [first] = parts;
  if (index === undefined && parts.length === 1 && first !== undefined) return first;
  return { shards: parts.map((file) => ({ name: file.name, source: file })), weightMap };
}

/** What is among the files besides the weights. */
export async function besideOf(model: ModelSource): Promise<BesideWeights> {
  if (model instanceof Blob || isReadableFile(model)) return NOTHING_BESIDE;
  const files = byName(model);
  const file = files.get(MODEL_CONFIG);
  const content = file && (await contentOf(file, MOST_CONFIG_BYTES));
  return besideWeights(
    [...files.keys()],
    () => content && ModelConfig.parse(content, MODEL_CONFIG),
  );
}

/** What a GGUF file needs of the folder; undefined where a file was given alone. */
export async function folderOf(model: ModelSource): Promise<SideFolder | undefined> {
  if (model instanceof Blob || isReadableFile(model)) return undefined;
  const given = [...byName(model).values()].filter(({ name }) => isForGguf(name));
  const files: SideFile[] = [];
  for (const file of given) {
    checkSideFile(file.name, file.size);
    files.push({ path: file.name, bytes: await contentOf(file, file.size) });
  }
  const [first] = model;
  const way = first !== undefined && 'webkitRelativePath' in first ? first.webkitRelativePath : '';
  return { name: way.split('/').at(-2) ?? '', files };
}

interface Files<Given> {
  readonly index?: Given;
  readonly weightMap?: WeightMap;
  readonly parts: readonly Given[];
}

async function filesOf<Given extends GivenFile>(given: readonly Given[]): Promise<Files<Given>> {
  const files = byName(given);
  const [only] = files.keys();
  // A single file is what it is, whatever its name; a part or an index alone is not a model.
  const isWhole = files.size === 1 && only !== undefined;
  if (isWhole && !isIndexName(only) && !isShardName(only)) return { parts: [...files.values()] };
  const names = [...files.keys()];
  const choice = chooseModel(names, WHERE);
  const named = (name: string) => {
    const file = files.get(name);
    if (file === undefined) throw new MonoquantError('internal', `"${name}" was not given.`);
    return file;
  };
  if (choice.index === undefined) return { parts: choice.files.map(named) };
  const index = named(choice.index);
  const { weightMap } = readIndex(await contentOf(index, MOST_INDEX_BYTES), index.name);
  const parts = filesOfIndex(weightMap, index.name, names, WHERE).map(named);
  return { index, weightMap, parts };
}

/** Those of the outermost folder, as in Node: what lies deeper is another model, or none. */
function byName<Given extends GivenFile>(given: readonly Given[]): ReadonlyMap<string, Given> {
  if (!Array.isArray(given))
    throw unexpected('a File, a Blob or an array of Files', 'model', given);
  given.forEach((file: unknown, index) => {
    const isFile = file instanceof File || isReadableFile(file);
    if (!isFile) throw unexpected('a File', `model[${index}]`, file);
  });
  const depthOf = (file: GivenFile) =>
    ('webkitRelativePath' in file ? file.webkitRelativePath : '').split('/').length;
  const least = given.reduce((depth, file) => Math.min(depth, depthOf(file)), Infinity);
  const files = new Map<string, Given>();
  for (const file of given) {
    if (depthOf(file) > least) continue;
    if (files.has(file.name)) {
      throw new MonoquantError('invalid-options', `Two of the files are named "${file.name}".`, {
        suggestion: 'Give the files of one model only.',
      });
    }
    files.set(file.name, file);
  }
  return files;
}

async function contentOf(file: GivenFile, most: number): Promise<Uint8Array<ArrayBuffer>> {
  if (file.size > most) {
    throw new MonoquantError(
      'limit-exceeded',
      `Expected at most ${most} bytes, found ${file.size} in "${file.name}".`,
      { suggestion: 'Download the file again.' },
    );
  }
  try {
    if (!(file instanceof File)) return await file.read(0, file.size);
    return new Uint8Array(await file.arrayBuffer());
  } catch (cause) {
    throw readFailure(file, cause);
  }
}
