/**
 * A worker's part in compressing an output: frames of a fixed size, each by itself. So any number of workers can share
 * them and the bytes stay the same, and a reader unpacks only those that it needs.
 * A frame is read back and unpacked before it counts.
 */
import { MonoquantError } from '../api/errors.js';
import { FRAME_BYTES, type Zstd, type ZstdFrame } from '../engine/zstd.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { ByteSource } from '../io/byte-source.js';

interface Kept {
  readonly frame: number;
  readonly contentBytes: number;
  readonly checksum: bigint;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export class Packing {
  readonly #zstd: Zstd;
  readonly #plain: ByteSource;
  readonly #level: number;
  /** Waits for its place: the frames before it may not be done. */
  #kept: Kept | undefined;

  constructor(zstd: Zstd, plain: ByteSource, level: number) {
    this.#zstd = zstd;
    this.#plain = plain;
    this.#level = level;
  }

  /** Compresses the frame of this number and keeps it. Answers how many bytes it has. */
  pack(frame: number): Promise<number> {
    const zstd = this.#zstd;
    const begin = frame * FRAME_BYTES;
    const contentBytes = Math.min(FRAME_BYTES, this.#plain.size - begin);
    return zstd.inTurn(async () => {
      const room = zstd.bound(contentBytes);
      zstd.output(room);
      await this.#plain.read(begin, zstd.input(contentBytes));
      const checksum = zstd.checksum('input', contentBytes);
      const length = zstd.compress(contentBytes, this.#level);
      const bytes = new Uint8Array(zstd.output(room).subarray(0, length));
      this.#kept = { frame, contentBytes, checksum, bytes };
      return length;
    });
  }

  /** Writes the frame that was kept, and reads it back. */
  place(sink: ByteSink<unknown>, offset: number): Promise<void> {
    const kept = this.#takeKept();
    return this.#zstd.inTurn(async () => {
      await sink.write(offset, kept.bytes);
      await this.#check(kept, offset, (into) => sink.read(offset, into));
    });
  }

  /** For somebody who keeps them: the frame that follows those of so many bytes, and at last the table of all. */
  async following(frames: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    if (frames.length * FRAME_BYTES >= this.#plain.size) return this.#table(frames);
    await this.pack(frames.length);
    const kept = this.#takeKept();
    return this.#zstd.inTurn(async () => {
      await this.#check(kept, undefined, async (into) => into.set(kept.bytes));
      return kept.bytes;
    });
  }

  /** Whether the frame becomes again what it was made of. */
  async #check(
    { frame, contentBytes, checksum, bytes }: Kept,
    offset: number | undefined,
    read: (into: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const zstd = this.#zstd;
    zstd.output(contentBytes);
    await read(zstd.input(bytes.length));
    zstd.decompress(bytes.length, contentBytes);
    if (zstd.checksum('output', contentBytes) !== checksum) {
      throw notTheSame(`frame ${frame}`, offset);
    }
  }

  #table(frames: readonly number[]): Promise<Uint8Array<ArrayBuffer>> {
    const zstd = this.#zstd;
    const places = placesOf(frames, this.#plain.size);
    return zstd.inTurn(async () => new Uint8Array(zstd.seekTable(places)));
  }

  #takeKept(): Kept {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept === undefined) throw new MonoquantError('internal', 'No frame was packed.');
    return kept;
  }

  /** Writes the table of all frames behind them, and reads it back. Answers how many bytes the file has. */
  async end(sink: ByteSink<unknown>, frames: readonly number[]): Promise<number> {
    const zstd = this.#zstd;
    const { size } = this.#plain;
    const written = placesOf(frames, size);
    const begin = frames.reduce((sum, bytes) => sum + bytes, 0);
    const table = await this.#table(frames);
    await sink.write(begin, table);
    const total = begin + table.length;
    const read = await zstd.scan(wholeOf(sink, total));
    const isSame = JSON.stringify(read.frames) === JSON.stringify(written);
    if (isSame && read.isSeekable && read.contentBytes === size) return total;
    throw notTheSame('table of frames', begin);
  }
}

function placesOf(frames: readonly number[], size: number): readonly ZstdFrame[] {
  let begin = 0;
  return frames.map((bytes, index) => {
    const contentOffset = index * FRAME_BYTES;
    const contentBytes = Math.min(FRAME_BYTES, size - contentOffset);
    const frame = { offset: begin, bytes, contentOffset, contentBytes };
    begin += bytes;
    return frame;
  });
}

/** A sink does not know how long it has become. */
function wholeOf(sink: ByteSink<unknown>, size: number): ByteSource {
  return { size, read: (offset, into) => sink.read(offset, into) };
}

function notTheSame(what: string, offset: number | undefined): MonoquantError {
  return new MonoquantError(
    'verification-failed',
    `The compressed output reads back with another ${what} than was written.`,
    { suggestion: 'Check the disk, and run again.', offset },
  );
}
