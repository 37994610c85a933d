/**
 * The files that somebody dropped or picked.
 * It exists because folders come in another way than files, and only for as long as the event lasts.
 * Only the files of a folder itself: what lies in folders within it belongs to something else.
 */
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

/** Throws if there are none. */
export function givenModel(files: readonly File[]): GivenModel {
  const [only, ...others] = files;
  if (only === undefined) throw new Error('There were no files in what was dropped or chosen.');
  const source = others.length === 0 ? only : files;
  const config = files.find((file) => file.name === 'config.json');
  return { ...nameOfModel(files), source, config };
}

/** After its folder where it has one; files alone are named by what they have in common. */
export function nameOfModel(files: readonly File[]): ModelName {
  const [first] = files;
  if (first === undefined) return { name: '', path: '' };
  const [folder, ...rest] = (folders.get(first) ?? first.webkitRelativePath).split('/');
  if (rest.length > 0 && folder !== undefined) return { name: folder, path: `${folder}/` };
  if (files.length === 1) return { name: first.name, path: first.name };
  // The command reads all parts of the folder that they are in.
  const index = files.find(({ name }) => name.endsWith('.safetensors.index.json'));
  return { name: commonName(files), path: index?.name ?? './' };
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

/** `model` of `model-00001-of-00002.safetensors` and its kin. */
function commonName(files: readonly File[]): string {
  const shard = files.find(({ name }) => /-\d+-of-\d+\.\w+$/.test(name)) ?? files[0];
  return (shard?.name ?? 'model').replace(/-\d+-of-\d+(?=\.\w+$)/, '');
}
