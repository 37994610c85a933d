/**
 * A place for what nobody wants: it counts bytes and drops them.
 * It exists so that runs can be measured which are to leave nothing behind.
 */
import { MonoquantError } from '../api/errors.js';
import type { ByteSink } from './byte-sink.js';

export class DroppingSink implements ByteSink<never> {
  readonly drops = true;
  readonly size: number;
  #written = 0;

  constructor(size: number) {
    this.size = size;
  }

  /** So far. */
  get written(): number {
    return this.#written;
  }

  async read(): Promise<void> {
    throw new MonoquantError('internal', 'What was dropped cannot be read.');
  }

  async write(_: number, bytes: Uint8Array): Promise<void> {
    this.#written += bytes.length;
  }

  async finish(): Promise<never> {
    throw new MonoquantError('internal', 'Nothing is left of what was dropped.');
  }

  async abort(): Promise<void> {
    // Nothing was kept.
  }
}
