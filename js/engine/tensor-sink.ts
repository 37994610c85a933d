/**
 * An output of which only the end is kept: the one tensor behind a header.
 * Its memory is taken at the beginning, so that a lack of it shows before any work.
 */
import { MonoquantError } from '../api/errors.js';
import type { ByteSink } from '../io/byte-sink.js';

export class TensorSink implements ByteSink<Uint8Array> {
  readonly size: number;
  readonly #start: number;
  readonly #bytes: Uint8Array;

  /** `bytes` from `start` on are kept. */
  constructor(start: number, bytes: number) {
    this.size = start + bytes;
    this.#start = start;
    try {
      this.#bytes = new Uint8Array(bytes);
    } catch (cause) {
      throw new MonoquantError(
        'limit-exceeded',
        `There is not enough memory for a tensor of ${bytes} bytes.`,
        { cause },
      );
    }
  }

  async read(): Promise<void> {
    throw new MonoquantError('internal', 'What is kept of a tensor is not read back.');
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset >= this.#start) this.#bytes.set(bytes, offset - this.#start);
  }

  async finish(): Promise<Uint8Array> {
    return this.#bytes;
  }

  async abort(): Promise<void> {}
}
