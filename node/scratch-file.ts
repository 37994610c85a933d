/**
 * A compressed model that was unpacked: a file without a name, in the system's folder for such files.
 * It exists because one large frame can only be read from its beginning, and a model is read at many places.
 * The file is gone with its descriptor: when the model is closed, or however the process ends.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import type { Scratch, Scratched } from '../js/engine/unpack.js';
import type { ByteSource } from '../js/io/byte-source.js';
import { FileSource } from './file-source.js';
import { freeBytes } from './free-space.js';
import type { SizedFile } from './open-file.js';
import { TemporaryFolder } from './temporary-folder.js';
import { writeFailed } from './write-failed.js';

export class ScratchFile implements Scratch<SizedFile> {
  readonly #folder = new TemporaryFolder();
  readonly #path = join(this.#folder.path, 'model');
  readonly #descriptor: number;

  /** Throws if there is no room for so many bytes; undefined: nobody knows how many. */
  constructor(bytes: number | undefined) {
    try {
      checkRoom(bytes);
      this.#descriptor = openSync(this.#path, 'wx+', 0o600);
    } catch (error) {
      this.#folder.remove();
      throw writeFailed(this.#path, error);
    }
    // Deno's threads open a file once more by its name.
    if (!('Deno' in globalThis)) this.#removeName();
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; ) {
        const left = bytes.length - written;
        written += writeSync(this.#descriptor, bytes, written, left, offset + written);
      }
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  async finish(size: number): Promise<Scratched<SizedFile>> {
    const path = 'the unpacked model';
    const file = { descriptor: this.#descriptor, path, place: this.#path, size };
    return { source: new ScratchSource(file, () => this.discard()), shared: file };
  }

  async discard(): Promise<void> {
    try {
      closeSync(this.#descriptor);
    } catch {
      // It is closed.
    }
    this.#removeName();
  }

  /** Where an open file keeps its name, the folder goes later. */
  #removeName(): void {
    try {
      this.#folder.remove();
    } catch {
      // What is left goes with the process, or with the next one.
    }
  }
}

class ScratchSource extends FileSource implements ByteSource {
  readonly #discard: () => Promise<void>;

  constructor(file: SizedFile, discard: () => Promise<void>) {
    super(file);
    this.#discard = discard;
  }

  close(): Promise<void> {
    return this.#discard();
  }
}

function checkRoom(bytes = 0): void {
  const free = freeBytes(tmpdir());
  if (free === undefined || free >= bytes) return;
  throw new MonoquantError(
    'write-failed',
    `Could not unpack the zstd file: ${bytes} bytes are needed in "${tmpdir()}", and ${free} are free.`,
    { suggestion: 'Make room, or name a folder on another disk with the variable TMPDIR.' },
  );
}
