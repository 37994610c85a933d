/**
 * Files that follow one another, written and read back as if they were one.
 * It exists so that nothing but the place of its bytes depends on how an output is divided.
 */
import type { ByteSink } from './byte-sink.js';
import { JoinedSource } from './joined-source.js';

export class SplitSink<Output> implements ByteSink<Output> {
  readonly size: number;
  readonly #sinks: readonly ByteSink<Output>[];
  /** Where each of them begins in the whole, and where the last one ends. */
  readonly #borders: readonly number[];
  readonly #joined: JoinedSource;

  /** At least one. */
  constructor(sinks: readonly ByteSink<Output>[]) {
    const borders = [0];
    for (const { size } of sinks) borders.push((borders.at(-1) ?? 0) + size);
    this.#sinks = sinks;
    this.#borders = borders;
    this.#joined = new JoinedSource(
      sinks.map((source) => ({ source, begin: 0, end: source.size })),
    );
    this.size = this.#joined.size;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#joined.read(offset, into);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const end = offset + bytes.length;
    for (const [index, sink] of this.#sinks.entries()) {
      const begins = this.#borders[index] ?? 0;
      const from = Math.max(offset, begins);
      const to = Math.min(end, begins + sink.size);
      if (from < to) await sink.write(from - begins, bytes.subarray(from - offset, to - offset));
    }
  }

  /** What the first of them is. */
  async finish(): Promise<Output> {
    const [first, ...others] = this.#sinks;
    if (first === undefined) throw new RangeError('No file.');
    for (const sink of others) await sink.finish();
    return first.finish();
  }

  async abort(): Promise<void> {
    for (const sink of this.#sinks) await sink.abort();
  }
}
