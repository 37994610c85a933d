/**
 * A compressed file as what it was before: only the frames that are asked for are unpacked.
 * It exists so that a tensor of a compressed model costs a few frames and not the whole file.
 */
import type { ByteSource } from '../io/byte-source.js';
import type { Zstd, ZstdFrame, ZstdFrames } from './zstd.js';

/** Content of frames that may be wanted again: neighbours share a frame, and readers go in small steps. */
const CACHE_BYTES = 16 << 20;

export class ZstdSource implements ByteSource {
  readonly size: number;
  readonly packedBytes: number;
  readonly #packed: ByteSource;
  readonly #zstd: Zstd;
  readonly #frames: readonly ZstdFrame[];
  /** By the frame's number, the one that was used last at the end. */
  readonly #cache = new Map<number, Uint8Array>();
  #cachedBytes = 0;

  /** `found` is seekable. */
  constructor(packed: ByteSource, zstd: Zstd, found: ZstdFrames) {
    this.size = found.contentBytes;
    this.packedBytes = packed.size;
    this.#packed = packed;
    this.#zstd = zstd;
    this.#frames = found.frames;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#zstd.inTurn(async () => {
      for (let filled = 0, index = this.#frameAt(offset); filled < into.length; index++) {
        const frame = this.#frames[index];
        if (frame === undefined) throw new RangeError('A read beyond the end.');
        const within = offset + filled - frame.contentOffset;
        const part = (await this.#contentOf(index, frame)).subarray(within);
        const count = Math.min(part.length, into.length - filled);
        into.set(part.subarray(0, count), filled);
        filled += count;
      }
    });
  }

  async checkUnchanged(): Promise<void> {
    await this.#packed.checkUnchanged?.();
  }

  async close(): Promise<void> {
    this.#cache.clear();
    await this.#packed.close?.();
  }

  async #contentOf(index: number, frame: ZstdFrame): Promise<Uint8Array> {
    const cached = this.#cache.get(index);
    if (cached !== undefined) {
      this.#cache.delete(index);
      this.#cache.set(index, cached);
      return cached;
    }
    const { offset, bytes, contentBytes } = frame;
    // Both first: the second may move the first, if the memory grows.
    this.#zstd.output(contentBytes);
    await this.#packed.read(offset, this.#zstd.input(bytes));
    this.#zstd.decompress(bytes, contentBytes);
    const content = this.#zstd.output(contentBytes).slice();
    this.#keep(index, content);
    return content;
  }

  #keep(index: number, content: Uint8Array): void {
    for (const [oldest, { length }] of this.#cache) {
      if (this.#cachedBytes + content.length <= CACHE_BYTES) break;
      this.#cache.delete(oldest);
      this.#cachedBytes -= length;
    }
    this.#cache.set(index, content);
    this.#cachedBytes += content.length;
  }

  /** The last frame whose content begins at or before `offset`. */
  #frameAt(offset: number): number {
    let low = 0;
    let high = this.#frames.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#frames[middle]?.contentOffset ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}
