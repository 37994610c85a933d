/**
 * A File or Blob as the engine reads it.
 * It exists because browsers hand out files only as Blobs.
 * Only the slices asked for are ever in memory; a file that changed on disk is an error.
 */
import { MonoquantError } from '../../js/api/errors.js';
import type { ByteSource } from '../../js/io/byte-source.js';

export class BlobSource implements ByteSource {
  readonly size: number;
  readonly #blob: Blob;

  constructor(blob: Blob) {
    this.size = blob.size;
    this.#blob = blob;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const bytes = await this.#slice(offset, into.length);
    if (bytes.length !== into.length) {
      throw new MonoquantError(
        'file-changed',
        `${this.#name} became shorter while it was being read.`,
        {
          suggestion: 'Choose the file again.',
          offset: offset + bytes.length,
        },
      );
    }
    into.set(bytes);
  }

  /** How messages begin. */
  get #name(): string {
    return this.#blob instanceof File ? `The file "${this.#blob.name}"` : 'The file';
  }

  /**
   * Chunk by chunk into memory of its own. Chromium holds on to what it reads of a Blob until its next collection of
   * garbage, which only memory of JavaScript brings about: slices read as a whole, or chunks copied straight to where
   * they belong, make the tab grow with the file.
   */
  async #slice(offset: number, length: number): Promise<Uint8Array> {
    try {
      const bytes = new Uint8Array(length);
      const chunks = this.#blob
        .slice(offset, offset + length)
        .stream()
        .getReader();
      let count = 0;
      for (;;) {
        const { done, value } = await chunks.read();
        if (done) return bytes.subarray(0, count);
        bytes.set(value, count);
        count += value.length;
      }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MonoquantError('read-failed', `${this.#name} could not be read: ${reason}`, {
        suggestion: 'It may have been changed, moved or removed meanwhile: choose it again.',
        offset,
        cause,
      });
    }
  }
}
