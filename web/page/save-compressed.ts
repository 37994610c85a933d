/**
 * Saves an output as a `.zst`, compressed on the way: large ones are never kept a second time.
 * It exists apart from other ways of saving because few need it, so it comes later.
 */
import { compress } from 'monoquant';
import type { Outcome } from './outcome.js';
import { download, type Saved, writeTo } from './save.js';

export async function saveCompressed(outcome: Outcome): Promise<void> {
  const name = `${outcome.name.peek()}.zst`;
  try {
    const { saved, bytes } = await outcome.saving.run((run) =>
      saveStream(() => compress(outcome.blob, run), name, run.signal),
    );
    outcome.saved.value = { file: saved, name, packedBytes: bytes };
  } catch {
    // The work has kept what went wrong.
  }
}

/** Asks for a place where the browser can, and downloads elsewhere. Answers how many bytes there were, too. */
async function saveStream(
  open: () => ReadableStream<Uint8Array<ArrayBuffer>>,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly saved: Saved; readonly bytes: number }> {
  if (window.showSaveFilePicker === undefined) {
    const blob = await collected(open(), signal);
    download(blob, name);
    return { saved: 'download', bytes: blob.size };
  }
  // First the place: a browser asks for one only just after a click.
  const saved = await window.showSaveFilePicker({ suggestedName: name });
  return { saved, bytes: await writeTo(saved, open(), signal) };
}

/** Of Blobs, which browsers put on the disk if they are many. */
async function collected(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
): Promise<Blob> {
  const parts: Blob[] = [];
  const writable = new WritableStream<Uint8Array<ArrayBuffer>>({
    write: (chunk) => void parts.push(new Blob([chunk])),
  });
  await stream.pipeTo(writable, { signal });
  return new Blob(parts, { type: 'application/octet-stream' });
}
