/**
 * The files that somebody dropped or picked.
 * It exists because folders come in another way than files, and only for as long as the event lasts.
 * Only the files of a folder itself: what lies in folders within it belongs to something else.
 */
import { modelOf } from 'monoquant';
import type { GivenModel, ModelName } from './open-model.js';

/** Has to be called before the event's handler returns: afterwards the items are empty. */
export function droppedFiles({ items, files }: DataTransfer): Promise<readonly File[]> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return Promise.resolve(Array.from(files));
  return Promise.all(entries.map(filesOf)).then((lists) => lists.flat());
}

/** As `<input webkitdirectory>` gives them: with all folders below. */
export function filesOfFolder(files: Iterable<File>): readonly File[] {
  return Array.from(files).filter((file) => file.webkitRelativePath.split('/').length <= 2);
}

/** What pickers of files offer. */
export const ACCEPTED = '.safetensors,.pt,.pth,.bin,.ckpt,.jit,.pt2,.npz,.gguf,.zst,.json';

/** Weights by their names, in any format that is read here. */
const WEIGHTS = /\.(safetensors|pt|pth|pt2|bin|ckpt|jit|npz|gguf)(\.zst)?$/i;
const SHARD_NUMBER = /-\d+-of-\d+(?=\.\w+$)/;

/** Throws if there are none, or more than one model. */
export async function givenModel(files: readonly File[]): Promise<GivenModel> {
  const [first] = files;
  if (first === undefined) throw new Error('There were no files in what was dropped or chosen.');
  const chosen = await modelOf(files);
  const source = files.length === 1 ? first : files;
  const config = files.find((file) => file.name === 'config.json');
  const left = files.filter((file) => WEIGHTS.test(file.name) && !chosen.includes(file));
  return {
    ...nameOf(chosen as readonly File[], files),
    source,
    config,
    beside: files.filter((file) => !chosen.includes(file)),
    notOpened: left.map(({ name }) => name),
  };
}

/** Two models that lie side by side, of which neither is more likely meant; undefined for anything else. */
export function pairOf(files: readonly File[]): readonly [File, File] | undefined {
  if (files.some((file) => folderOf(file) !== undefined || /\.index\.json$/i.test(file.name))) {
    return undefined;
  }
  const [first, second, ...others] = files.filter(({ name }) => WEIGHTS.test(name));
  if (first === undefined || second === undefined || others.length > 0) return undefined;
  if (SHARD_NUMBER.test(first.name) || SHARD_NUMBER.test(second.name)) return undefined;
  return [first, second];
}

/** What files are called until it is known which of them are the model. */
export function nameOfFiles(files: readonly File[]): string {
  const [first] = files;
  return first === undefined ? '' : (folderOf(first) ?? commonName(first));
}

/** After its folder where it has one; else after the file that was opened, which the command is given, too. */
function nameOf([first]: readonly File[], given: readonly File[]): ModelName {
  if (first === undefined) return { name: '', path: '' };
  const folder = folderOf(first);
  if (folder !== undefined) return { name: folder, path: `${folder}/`, folder: true };
  // One of numbered files stands for all of them, and so does their index.
  const shard = given.find(({ name }) => SHARD_NUMBER.test(name)) ?? first;
  return { name: commonName(shard), path: first.name };
}

function folderOf(file: File): string | undefined {
  const [folder, ...rest] = (folders.get(file) ?? file.webkitRelativePath).split('/');
  return rest.length > 0 ? folder : undefined;
}

/** Files that were dropped do not say which folder they were in. */
const folders = new WeakMap<File, string>();

async function filesOf(entry: FileSystemEntry | null): Promise<readonly File[]> {
  if (entry === null) return [];
  if (entry.isFile) return [await fileOf(entry as FileSystemFileEntry)];
  const files: File[] = [];
  for (const child of await entriesOf(entry as FileSystemDirectoryEntry)) {
    if (!child.isFile) continue;
    const file = await fileOf(child as FileSystemFileEntry);
    folders.set(file, `${entry.name}/${file.name}`);
    files.push(file);
  }
  return files;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** Browsers hand them out in batches, the last of which is empty. */
async function entriesOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (batch.length === 0) return all;
    all.push(...batch);
  }
}

/** `model.safetensors` of `model-00001-of-00002.safetensors` and its kin. */
function commonName({ name }: File): string {
  return name.replace(SHARD_NUMBER, '');
}
