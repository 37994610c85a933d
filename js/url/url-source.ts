/**
 * A file behind a URL as the engine reads it.
 * Large reads are parts that are under way at once; small ones, of headers and directories, are cut out of larger
 * pieces that are kept for a while, because a journey costs more than what it brings.
 */
import type { BlockShape, ByteSource } from '../io/byte-source.js';
import { MemorySource } from '../io/joined-source.js';
import type { Client, Environment } from './client.js';
import { RangeReader } from './range-reader.js';
import type { Remote, RemoteFile } from './remote.js';

/** What one request asks for. */
const PART_BYTES = 2 << 20;
/** Two blocks are on their way while one is worked on: as many parts as there are connections. */
const BLOCKS: BlockShape = { slots: 3, blockBytes: 2 * PART_BYTES };

const SMALL_BYTES = 64 << 10;
const PIECE_BYTES = 256 << 10;
const MOST_PIECES = 16;

/** `clientFor`: what asks for a file as its environment has it. */
export function remoteSource(
  remote: Remote,
  clientFor: (environment: Environment) => Client,
): ByteSource {
  if ('bytes' in remote) return new MemorySource(remote.bytes);
  return new UrlSource(remote, clientFor(remote.environment));
}

export class UrlSource implements ByteSource {
  readonly size: number;
  readonly blocks = BLOCKS;
  readonly #reader: RangeReader;
  /** By their numbers, the one that was used last at the end. */
  readonly #pieces = new Map<number, Promise<Uint8Array>>();

  constructor(file: RemoteFile, client: Client) {
    this.size = file.size;
    this.#reader = new RangeReader(file, client);
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return into.length <= SMALL_BYTES
      ? this.#readSmall(offset, into)
      : this.#readParts(offset, into);
  }

  /** Nothing is written into `into` any more when it settles. */
  async #readParts(offset: number, into: Uint8Array): Promise<void> {
    const abort = new AbortController();
    let failure: { readonly error: unknown } | undefined;
    const parts: Promise<void>[] = [];
    for (let begin = 0; begin < into.length; begin += PART_BYTES) {
      const part = into.subarray(begin, begin + PART_BYTES);
      const reading = this.#reader.read(offset + begin, part, abort.signal);
      parts.push(
        reading.catch((error: unknown) => {
          failure ??= { error };
          abort.abort();
        }),
      );
    }
    await Promise.all(parts);
    if (failure !== undefined) throw failure.error;
  }

  async #readSmall(offset: number, into: Uint8Array): Promise<void> {
    for (let filled = 0; filled < into.length; ) {
      const at = offset + filled;
      const number = Math.floor(at / PIECE_BYTES);
      const begin = at - number * PIECE_BYTES;
      const piece = await this.#piece(number);
      const bytes = piece.subarray(begin, begin + into.length - filled);
      into.set(bytes, filled);
      filled += bytes.length;
    }
  }

  #piece(number: number): Promise<Uint8Array> {
    const begin = number * PIECE_BYTES;
    const piece = this.#pieces.get(number) ?? this.#fetch(begin);
    this.#pieces.delete(number);
    this.#pieces.set(number, piece);
    const [oldest = number] = this.#pieces.keys();
    if (this.#pieces.size > MOST_PIECES) this.#pieces.delete(oldest);
    // What failed may be there the next time.
    piece.catch(() => this.#pieces.delete(number));
    return piece;
  }

  async #fetch(begin: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(PIECE_BYTES, this.size - begin));
    await this.#reader.read(begin, bytes);
    return bytes;
  }
}
