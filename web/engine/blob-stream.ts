/**
 * The bytes of a Blob from one place to another, front to back.
 * It exists because one stream that fills our own memory costs browsers half of what slices do, and leaves no garbage.
 * The browser looks whether a file has changed when a stream of it begins, and not again.
 */

/** As much as Chromium hands over at once. */
const CHUNK_BYTES = 2 << 20;

/**
 * Those that were not closed. Chromium collects a reader that fills our own memory as garbage while it waits, unless
 * something global holds it: its promise would never settle.
 */
const open = new Set<BlobStream>();

export class BlobStream {
  /** Where it ends, if the file still has all of its bytes. */
  readonly end: number;
  readonly #reader: ReadableStreamBYOBReader;
  /** Of the next byte, in the Blob. */
  #position: number;
  /** What has come and was not taken yet; its memory is filled again. */
  #chunk: Uint8Array<ArrayBuffer>;

  constructor(blob: Blob, begin: number, end: number) {
    this.end = end;
    this.#position = begin;
    this.#chunk = new Uint8Array(new ArrayBuffer(Math.min(CHUNK_BYTES, end - begin)), 0, 0);
    this.#reader = readerOf(blob.slice(begin, end).stream());
    open.add(this);
  }

  /** Reads on from `offset`, which lies ahead. Returns how many bytes there were: fewer only where the stream ends. */
  async fill(offset: number, into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length && (await this.#hasBytes())) {
      const skipped = offset + filled - this.#position;
      if (skipped > 0) this.#take(skipped);
      else {
        const taken = this.#take(into.length - filled);
        into.set(taken, filled);
        filled += taken.length;
      }
    }
    return filled;
  }

  /** Has to come, whatever came of the reads. Does not throw. */
  close(): void {
    open.delete(this);
    this.#reader.cancel().catch(() => {});
  }

  /** Waits for bytes; false at the end. */
  async #hasBytes(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      if (this.#position === this.end) return false;
      const { done, value } = await this.#reader.read(new Uint8Array(this.#chunk.buffer));
      // At the end, too, memory of ours comes back.
      if (value !== undefined) this.#chunk = value;
      if (done) return false;
    }
    return true;
  }

  #take(most: number): Uint8Array {
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }
}

/** Safari's streams of Blobs fill no memory but their own: their readers do not look at what they are given. */
function readerOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch {
    return stream.getReader() as ReadableStreamReader<unknown> as ReadableStreamBYOBReader;
  }
}
