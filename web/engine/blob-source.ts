/**
 * A File or Blob as the engine reads it.
 * It exists because browsers hand out files only as Blobs.
 * Reads that follow one another share a stream; a file that changed on disk is an error.
 */
import { type ErrorCode, MonoquantError } from '../../js/api/errors.js';
import type { ByteSource } from '../../js/io/byte-source.js';
import { BlobStream } from './blob-stream.js';

/** How far a stream goes: with the next one, the browser looks again whether the file has changed. */
const STREAM_BYTES = 64 << 20;
/** A stream that nobody reads from for so long is closed: it holds the file open, which may change meanwhile. */
const MOST_IDLE_MS = 1000;
/** Reading so much for nothing costs less than another stream. */
const MOST_SKIPPED = 1 << 20;

export class BlobSource implements ByteSource {
  readonly size: number;
  readonly #blob: Blob;
  #stream: BlobStream | undefined;
  /** Where the last read ended; nothing goes on from NaN. */
  #position = Number.NaN;
  #idle: ReturnType<typeof setTimeout> | undefined;
  /** Reads come one after the other: side by side they would only take turns in one process. */
  #last: Promise<void> = Promise.resolve();

  constructor(blob: Blob) {
    this.size = blob.size;
    this.#blob = blob;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    const read = this.#last.then(() => this.#read(offset, into));
    this.#last = read.catch(() => {});
    return read;
  }

  /** The browser looks when a stream begins. */
  checkUnchanged(): Promise<void> {
    return this.read(0, new Uint8Array(1));
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    clearTimeout(this.#idle);
    const end = offset + into.length;
    let at = offset;
    try {
      for (let count = 1; at < end && count > 0; at += count) {
        count = await this.#streamAt(at, end - at).fill(at, into.subarray(at - offset));
        this.#position = at + count;
      }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw this.#failure('read-failed', `could not be read: ${reason}`, at, cause);
    }
    if (at < end)
      throw this.#failure('file-changed', 'became shorter while it was being read.', at);
    this.#idle = setTimeout(() => this.#end(), MOST_IDLE_MS);
  }

  /** One that goes far only where reads follow one another: what is read ahead elsewhere is read for nothing. */
  #streamAt(offset: number, length: number): BlobStream {
    const gap = offset - this.#position;
    const goesOn = gap >= 0 && gap <= MOST_SKIPPED;
    if (this.#stream !== undefined && goesOn && offset < this.#stream.end) return this.#stream;
    this.#end();
    const end = Math.min(this.size, offset + (goesOn ? STREAM_BYTES : length));
    this.#stream = new BlobStream(this.#blob, offset, end);
    return this.#stream;
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#end();
  }

  #end(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }

  #failure(code: ErrorCode, what: string, offset: number, cause?: unknown): MonoquantError {
    this.#end();
    const name = this.#blob instanceof File ? `The file "${this.#blob.name}"` : 'The file';
    return new MonoquantError(code, `${name} ${what}`, {
      suggestion: 'It may have been changed, moved or removed meanwhile: choose it again.',
      offset,
      cause,
    });
  }
}
