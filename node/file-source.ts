/**
 * An open file as the engine reads it, through its descriptor.
 * It exists for the engine's thread: who opened the file (see InputFile) also closes it.
 * Reads go straight into the engine's memory, and block: the thread has nothing else to do, and the
 * round trips of asynchronous reads take longer than the system's own reading ahead.
 */
import { readSync } from 'node:fs';
import { MonoquantError } from '../js/api/errors.js';
import type { ByteSource } from '../js/io/byte-source.js';
import type { OpenFile, SizedFile } from './open-file.js';
import { readFailed } from './read-failed.js';
import { codeOf } from './reason.js';

export class FileSource implements ByteSource {
  readonly size: number;
  readonly #file: OpenFile;

  constructor(file: SizedFile) {
    this.size = file.size;
    this.#file = file;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return readFully(this.#file, offset, into);
  }
}

/** Fills `into` with the bytes at `offset`. */
export async function readFully(
  { descriptor, path }: OpenFile,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  for (let filled = 0, count = 0; filled < into.length; filled += count) {
    try {
      count = readSync(descriptor, into, filled, into.length - filled, offset + filled);
    } catch (error) {
      // A signal came between: nothing was read, and nothing is wrong.
      if (codeOf(error) === 'EINTR') {
        count = 0;
        continue;
      }
      throw readFailed(path, error, offset + filled);
    }
    if (count === 0) throw endsEarly(path, offset + filled);
  }
}

function endsEarly(path: string, offset: number): MonoquantError {
  return new MonoquantError('file-changed', `"${path}" became shorter while it was being read.`, {
    suggestion: 'Wait until nothing writes to it any more, and run again.',
    offset,
  });
}
