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

  async #slice(offset: number, length: number): Promise<Uint8Array> {
    try {
      return new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
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
