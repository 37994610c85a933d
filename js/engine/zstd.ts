/**
 * zstd with errors thrown. There is one for a worker, loaded when the first compressed file is met.
 * Its two blocks of memory serve one piece of work at a time: whoever uses them does so in turn.
 */
import { MonoquantError } from '../api/errors.js';
import type { ByteSource } from '../io/byte-source.js';
import { throwIfError } from './engine.js';
import type { WasmZstd, ZstdFactory } from './zstd-module.js';

/** Where a frame is in its file, and where its content is in what the file becomes. */
export interface ZstdFrame {
  readonly offset: number;
  readonly bytes: number;
  readonly contentOffset: number;
  readonly contentBytes: number;
}

export interface ZstdFrames {
  readonly frames: readonly ZstdFrame[];
  /** Of all of them; at most so many if it is not exact, as some do not say how much they hold. */
  readonly contentBytes: number;
  readonly isExact: boolean;
  /** Whether any part can be read by unpacking only the frames that it is in. */
  readonly isSeekable: boolean;
}

/** Frames of this much content: small enough for one tensor to be read soon, large enough to compress well. */
export const FRAME_BYTES = 4 << 20;

const NUMBERS_OF_FRAME = 4;

export class Zstd {
  readonly #module: WasmZstd;
  #last: Promise<unknown> = Promise.resolve();

  constructor(module: WasmZstd) {
    this.#module = module;
  }

  static async load(factory: ZstdFactory): Promise<Zstd> {
    try {
      return new Zstd(await factory());
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `What reads zstd files (monoquant-zstd.wasm) could not be started: ${reason}`;
      const suggestion =
        'Its .wasm file belongs beside the script that loads it: reinstall the package, or check what is served.';
      throw new MonoquantError('engine-unavailable', message, { suggestion, cause });
    }
  }

  /** Does some work with the blocks when all before it is done. */
  inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const answer = this.#last.then(work);
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Views are valid until a larger one is asked for. */
  input(bytes: number): Uint8Array {
    return this.#view(this.#module._mz_input(bytes), bytes);
  }

  output(bytes: number): Uint8Array {
    return this.#view(this.#module._mz_output(bytes), bytes);
  }

  /** The largest frame that so much content can become. */
  bound(contentBytes: number): number {
    return this.#module._mz_bound(contentBytes);
  }

  /** Makes a frame of the input in the output, which has room for it. Answers how long it is. */
  compress(bytes: number, level: number): number {
    return this.#checked(this.#module._mz_compress(bytes, level));
  }

  /** Unpacks the frame in the input, which holds just so much content, into the output. */
  decompress(bytes: number, contentBytes: number): void {
    this.#checked(this.#module._mz_decompress(bytes, contentBytes));
  }

  /** 64 bits, of the beginning of a block. */
  checksum(block: 'input' | 'output', bytes: number): bigint {
    return this.#module._mz_checksum(block === 'output' ? 1 : 0, bytes);
  }

  beginStream(): void {
    this.#module._mz_stream_begin();
  }

  /** Unpacks what is from `from` to `end` in the input, as far as the output takes it. */
  stepStream(from: number, end: number): { readonly given: number; readonly taken: number } {
    const given = this.#checked(this.#module._mz_stream_step(from, end));
    return { given, taken: this.#module._mz_stream_taken() };
  }

  /** Whether the last frame was complete. */
  get isStreamWhole(): boolean {
    return this.#module._mz_stream_is_whole() !== 0;
  }

  /** Finds the frames of a file, in turn. */
  scan(source: ByteSource): Promise<ZstdFrames> {
    const module = this.#module;
    return this.inTurn(async () => {
      module._mz_scan_begin(source.size);
      for (let bytes = module._mz_scan_length(); bytes > 0; bytes = module._mz_scan_length()) {
        await source.read(module._mz_scan_offset(), this.input(bytes));
        this.#checked(module._mz_scan_take(bytes));
      }
      return {
        frames: this.#frames(),
        contentBytes: module._mz_content_bytes(),
        isExact: module._mz_is_exact() !== 0,
        isSeekable: module._mz_is_seekable() !== 0,
      };
    });
  }

  /** Puts the table of these frames into the output. */
  seekTable(frames: readonly Pick<ZstdFrame, 'bytes' | 'contentBytes'>[]): Uint8Array {
    this.#module._mz_table_begin();
    for (const { bytes, contentBytes } of frames) this.#module._mz_table_add(bytes, contentBytes);
    const bytes = this.#checked(this.#module._mz_table_end());
    return this.output(bytes);
  }

  #frames(): readonly ZstdFrame[] {
    const count = this.#module._mz_frame_count();
    const view = this.#module.HEAPU8;
    const bytes = count * NUMBERS_OF_FRAME * BigUint64Array.BYTES_PER_ELEMENT;
    const begin = view.byteOffset + this.#module._mz_frames();
    const numbers = new BigUint64Array(view.buffer.slice(begin, begin + bytes));
    return Array.from({ length: count }, (_, index) => {
      const at = (number: number) => Number(numbers[NUMBERS_OF_FRAME * index + number]);
      return { offset: at(0), bytes: at(1), contentOffset: at(2), contentBytes: at(3) };
    });
  }

  #view(address: number, bytes: number): Uint8Array {
    if (address === 0 && bytes > 0) {
      throw new MonoquantError(
        'limit-exceeded',
        `There is no memory for a block of ${bytes} bytes of a zstd file.`,
        { suggestion: 'Unpack the file first with zstd -d, and give the unpacked file.' },
      );
    }
    return this.#module.HEAPU8.subarray(address, address + bytes);
  }

  #checked(answer: number): number {
    if (answer >= 0) return answer;
    const { HEAPU8 } = this.#module;
    const begin = this.#module._mz_error();
    throwIfError(new TextDecoder().decode(HEAPU8.slice(begin, HEAPU8.indexOf(0, begin))));
    throw new MonoquantError('internal', 'zstd failed without a reason.');
  }
}
