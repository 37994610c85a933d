/**
 * Parts of several sources, read as if they were one.
 * Parts follow one another without gaps; a read that crosses a border asks each side for its own.
 */
import type { ByteSource } from './byte-source.js';

export interface SourcePart {
  readonly source: ByteSource;
  /** In `source`. */
  readonly begin: number;
  readonly end: number;
}

export class JoinedSource implements ByteSource {
  readonly size: number;
  readonly #parts: readonly SourcePart[];
  /** Where each part begins in the whole. */
  readonly #starts: readonly number[];

  constructor(parts: readonly SourcePart[]) {
    this.#parts = parts.filter(({ begin, end }) => end > begin);
    const starts: number[] = [];
    let size = 0;
    for (const { begin, end } of this.#parts) {
      starts.push(size);
      size += end - begin;
    }
    this.#starts = starts;
    this.size = size;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let filled = 0;
    for (let index = this.#partAt(offset); filled < into.length; index++) {
      const part = this.#parts[index];
      const start = this.#starts[index];
      if (part === undefined || start === undefined) throw new RangeError('A read beyond the end.');
      const within = part.begin + offset + filled - start;
      const count = Math.min(into.length - filled, part.end - within);
      await part.source.read(within, into.subarray(filled, filled + count));
      filled += count;
    }
  }

  async checkUnchanged(): Promise<void> {
    for (const { source } of this.#parts) await source.checkUnchanged?.();
  }

  async close(): Promise<void> {
    for (const source of new Set(this.#parts.map((part) => part.source))) await source.close?.();
  }

  /** The last part that begins at or before `offset`. */
  #partAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Bytes in memory. */
export class MemorySource implements ByteSource {
  readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.size = bytes.length;
    this.#bytes = bytes;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }
}
