/**
 * Opens a file that may be compressed. One whose frames are too large to be unpacked one at a time, such as the single
 * frame that `zstd` writes, becomes a file of its own first, which is gone when the model is closed.
 */
import { MonoquantError } from '../api/errors.js';
import type { ByteSource } from '../io/byte-source.js';
import type { Zstd, ZstdFrames } from './zstd.js';
import { ZstdSource } from './zstd-source.js';

/** A place for an unpacked file, which nobody else sees. */
export interface Scratch<Source> {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Everything was written: `size` bytes. Closing what is answered removes the file. */
  finish(size: number): Promise<Scratched<Source>>;
  /** Removes the file. Does not throw. */
  discard(): Promise<void>;
}

export interface Scratched<Source> {
  readonly source: ByteSource;
  /** How other workers open it while it is open here; undefined if they cannot. */
  readonly shared: Source | undefined;
}

export interface UnpackHost<Source> {
  loadZstd(): Promise<Zstd>;
  /** Throws if there is no room for so many bytes; undefined: nobody knows how many. */
  openScratch(bytes: number | undefined): Promise<Scratch<Source>>;
}

export interface Unpacked<Source> {
  readonly source: ByteSource;
  /** On the disk, if it is compressed. */
  readonly packedBytes?: number;
  readonly shared?: Source;
}

export type OnUnpack = (bytes: number, totalBytes: number) => void;

/** So much of a file says whether it is compressed. */
export const HEAD_BYTES = 4;
const FRAME = 0xfd2fb528;
/** Frames that hold nothing; the last four bits are free. */
const SKIPPABLE = 0x184d2a50 >>> 4;

/** Told apart by the first bytes, never by the name. Takes the source over. */
export async function unpacked<Source>(
  source: ByteSource,
  host: UnpackHost<Source>,
  onProgress: OnUnpack | undefined,
): Promise<Unpacked<Source>> {
  if (!(await isZstd(source))) return { source };
  const zstd = await host.loadZstd();
  const packedBytes = source.size;
  const found = await zstd.scan(source);
  if (found.isSeekable) return { source: new ZstdSource(source, zstd, found), packedBytes };
  // Blocks can hold much more than they do.
  const scratch = await host.openScratch(found.isExact ? found.contentBytes : undefined);
  try {
    const size = await unpackInto(scratch, zstd, source, found, onProgress);
    await source.checkUnchanged?.();
    const { source: plain, shared } = await scratch.finish(size);
    return { source: plain, packedBytes, ...(shared !== undefined && { shared }) };
  } catch (error) {
    await scratch.discard();
    throw error;
  }
}

async function isZstd(source: ByteSource): Promise<boolean> {
  if (source.size < HEAD_BYTES) return false;
  const head = new Uint8Array(HEAD_BYTES);
  await source.read(0, head);
  return looksLikeZstd(head);
}

/** By the first bytes of a file. */
export function looksLikeZstd(head: Uint8Array<ArrayBuffer>): boolean {
  const magic = new DataView(head.buffer).getUint32(0, true);
  return magic === FRAME || magic >>> 4 === SKIPPABLE;
}

const INPUT_BYTES = 1 << 20;
const OUTPUT_BYTES = 4 << 20;

/** Answers how many bytes it wrote. */
function unpackInto(
  scratch: Pick<Scratch<unknown>, 'write'>,
  zstd: Zstd,
  source: ByteSource,
  { contentBytes: most, isExact }: ZstdFrames,
  onProgress: OnUnpack | undefined,
): Promise<number> {
  return zstd.inTurn(async () => {
    zstd.output(OUTPUT_BYTES);
    zstd.beginStream();
    let written = 0;
    for (let offset = 0; offset < source.size; ) {
      const length = Math.min(INPUT_BYTES, source.size - offset);
      await source.read(offset, zstd.input(length));
      offset += length;
      for (let at = 0, isFull = true; at < length || isFull; ) {
        const { given, taken } = zstd.stepStream(at, length);
        if (written + given > most) throw holdsOther('more', most);
        if (given === 0 && taken === at) break;
        await scratch.write(written, zstd.output(OUTPUT_BYTES).subarray(0, given));
        written += given;
        at = taken;
        isFull = given === OUTPUT_BYTES;
      }
      onProgress?.(offset, source.size);
    }
    if (zstd.isStreamWhole && isExact && written < most) throw holdsOther('less', most);
    if (zstd.isStreamWhole) return written;
    throw new MonoquantError('file-truncated', 'The zstd file ends within a frame.', {
      suggestion: 'Download or copy the file again: it is incomplete.',
    });
  });
}

function holdsOther(what: 'more' | 'less', said: number): MonoquantError {
  const message = `The zstd file holds ${what} than the ${said} bytes that it says.`;
  return new MonoquantError('malformed-file', message, {
    suggestion: 'Download or copy the file again, or compress the model anew.',
  });
}
