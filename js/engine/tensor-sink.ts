/**
 * The bytes of one tensor, kept in memory.
 * The memory is taken at the beginning, so that a lack of it shows before any work.
 */
import { MonoquantError } from '../api/errors.js';
import type { ByteSink } from '../io/byte-sink.js';

export class TensorSink implements ByteSink<Uint8Array> {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(size: number) {
    this.size = size;
    try {
      this.#bytes = new Uint8Array(size);
    } catch (cause) {
      throw new MonoquantError(
        'limit-exceeded',
        `There is not enough memory for a tensor of ${size} bytes.`,
        { cause },
      );
    }
  }

  async read(): Promise<void> {
    throw new MonoquantError('internal', 'What is kept of a tensor is not read back.');
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#bytes.set(bytes, offset);
  }

  async finish(): Promise<Uint8Array> {
    return this.#bytes;
  }

  async abort(): Promise<void> {}
}
