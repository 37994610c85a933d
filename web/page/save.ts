/**
 * From a Blob to a file of the user's: a chosen place where the browser writes to one, a download elsewhere.
 * It exists because large outputs must reach the disk without passing through memory.
 * A file that was written is complete, or an error says that it is not.
 */
import type { RunControls } from './work.js';

/** The file that was written, or word that the browser is downloading it. */
export type Saved = FileSystemFileHandle | 'download';

export async function saveBlob(
  blob: Blob,
  name: string,
  { signal, onProgress }: RunControls,
): Promise<Saved> {
  if (window.showSaveFilePicker === undefined) {
    download(blob, name);
    return 'download';
  }
  const handle = await window.showSaveFilePicker({ suggestedName: name });
  await writeTo(handle, blob.stream(), signal, (bytes) => {
    const fraction = bytes / blob.size;
    onProgress({ stage: 'save', bytes, totalBytes: blob.size, fraction, tensor: '' });
  });
  return handle;
}

/** Answers how many bytes it has written. */
export async function writeTo(
  handle: FileSystemFileHandle,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<number> {
  let bytes = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      bytes += chunk.length;
      onBytes?.(bytes);
      controller.enqueue(chunk);
    },
  });
  const writable = await handle.createWritable();
  await stream.pipeThrough(counted).pipeTo(writable, { signal });
  const { size } = await handle.getFile();
  if (size === bytes) return size;
  throw new Error(
    `Expected a file of ${bytes} bytes, found ${size} in "${handle.name}": save it again.`,
  );
}

export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // Some browsers begin to read only later; and the Blob is on disk or small.
  setTimeout(() => URL.revokeObjectURL(url), DOWNLOAD_MS);
}

/** However large, a download has begun by then. */
const DOWNLOAD_MS = 60_000;

export interface FolderFile {
  readonly name: string;
  readonly blob: Blob;
}

/**
 * Writes files into a folder that the user chooses, where the browser has such; else downloads them one by one. The
 * first is the one that counts.
 */
export async function saveFolder(
  files: readonly FolderFile[],
  { signal, onProgress }: RunControls,
): Promise<{ readonly file: Saved; readonly name: string }> {
  if (window.showDirectoryPicker === undefined) {
    for (const { blob, name } of files) download(blob, name);
    return { file: 'download', name: files.map(({ name }) => name).join(', ') };
  }
  const folder = await window.showDirectoryPicker({ mode: 'readwrite' });
  const totalBytes = files.reduce((sum, { blob }) => sum + blob.size, 0);
  let before = 0;
  let first: FileSystemFileHandle | undefined;
  for (const { name, blob } of files) {
    const handle = await folder.getFileHandle(name, { create: true });
    first ??= handle;
    await writeTo(handle, blob.stream(), signal, (written) => {
      const bytes = before + written;
      onProgress({ stage: 'save', bytes, totalBytes, fraction: bytes / totalBytes, tensor: '' });
    });
    before += blob.size;
  }
  if (first === undefined) throw new Error('There is nothing to save.');
  return { file: first, name: `${folder.name}/` };
}
