/**
 * An open file as the engine writes it, through its descriptor.
 * It exists for the engine's thread: what becomes of the file is decided elsewhere (see OutputFile).
 * Writes come straight from the engine's memory, are complete or fail, and block (see FileSource).
 */
import { fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { MonoquantError } from '../js/api/errors.js';
import type { ByteSink } from '../js/io/byte-sink.js';
import { readFully } from './file-source.js';
import { checkRoom } from './free-space.js';
import type { OutputPlace } from './open-file.js';
import { writeFailed } from './write-failed.js';

/** Several threads have one each for the same file; together they write all of its bytes. */
export class FileSink implements ByteSink<undefined> {
  readonly size: number;
  readonly #file: OutputPlace;

  /** Throws if there is no room for `size` bytes. */
  constructor(file: OutputPlace, size: number) {
    checkRoom(file, size);
    this.size = size;
    this.#file = file;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return readFully(this.#file, offset, into);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const { descriptor, path } = this.#file;
    try {
      for (let written = 0; written < bytes.length; ) {
        const left = bytes.length - written;
        written += writeSync(descriptor, bytes, written, left, offset + written);
      }
    } catch (error) {
      throw writeFailed(path, error);
    }
  }

  async finish(): Promise<undefined> {
    const { descriptor, path } = this.#file;
    let size: number;
    try {
      size = fstatSync(descriptor).size;
      // An earlier attempt may have been longer. Truncating without need costs ext4 a flush.
      if (size > this.size) ftruncateSync(descriptor, this.size);
    } catch (error) {
      throw writeFailed(path, error);
    }
    if (size >= this.size) return;
    throw new MonoquantError(
      'write-failed',
      `"${path}" has only ${size} of the ${this.size} bytes that were written.`,
      { suggestion: 'Check whether something else writes to this file.' },
    );
  }

  async abort(): Promise<void> {
    // Whoever opened the file removes it.
  }
}
