/**
 * An output that is kept in memory.
 * It exists for small outputs, and for browsers without private files.
 * All of its memory is taken at the beginning, so that a lack of it shows before any work.
 */
import { MonoquantError } from '../../js/api/errors.js';
import type { ByteSink } from '../../js/io/byte-sink.js';

export class MemorySink implements ByteSink<Blob> {
  readonly size: number;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(size: number) {
    this.size = size;
    try {
      this.#bytes = new Uint8Array(size);
    } catch (cause) {
      const message = `There is not enough memory for an output of ${size} bytes.`;
      throw new MonoquantError('write-failed', message, { cause });
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#bytes.set(bytes, offset);
  }

  async finish(): Promise<Blob> {
    const blob = new Blob([this.#bytes], { type: 'application/octet-stream' });
    this.#release();
    return blob;
  }

  async abort(): Promise<void> {
    this.#release();
  }

  #release(): void {
    this.#bytes = new Uint8Array(0);
  }
}
