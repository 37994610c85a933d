/**
 * The SHA-256 of a file, and how it begins behind each tensor of a .safetensors.
 * It exists so that a run which is repeated can tell in which tensor its output differs, from a line of a log alone. The
 * file is read once: the digest so far is looked at on the way.
 */
import { createHash, type Hash } from 'node:crypto';
import { read } from 'node:fs';
import { promisify } from 'node:util';
import type { SizedFile } from '../open-file.js';
import { readFailed } from '../read-failed.js';

const readAt = promisify(read);

const BLOCK_BYTES = 4 << 20;
/** Of one mark: enough to tell, with the digest of the whole beside it. */
export const MARK_DIGITS = 8;
/** What the format allows. */
const MOST_HEADER_BYTES = 100e6;
const LENGTH_BYTES = 8;

export interface FileDigest {
  readonly sha256: string;
  readonly marks?: string;
}

/** What a header says that matters here: the tensors in the order of the file, and where each ends. */
interface Layout {
  readonly names: readonly string[];
  /** Offsets in the file; the first is the end of the header. */
  readonly ends: readonly number[];
}

/** Undefined if it was aborted. Other work of this thread goes on between blocks. */
export async function digestOf(
  file: SizedFile,
  {
    marks = false,
    signal,
  }: { readonly marks?: boolean; readonly signal?: AbortSignal | undefined },
): Promise<FileDigest | undefined> {
  const ends = marks ? ((await layoutOf(file))?.ends ?? []) : [];
  const hash = createHash('sha256');
  const found: string[] = [];
  const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(file.size, 1)));
  let next = 0;
  for (let offset = 0; offset < file.size; ) {
    if (signal?.aborted) return undefined;
    const bytes = await readBlock(file, offset, block);
    let taken = 0;
    for (; (ends[next] ?? Infinity) <= offset + bytes; next++) {
      const end = (ends[next] ?? 0) - offset;
      hash.update(block.subarray(taken, end));
      taken = end;
      found.push(markOf(hash));
    }
    hash.update(block.subarray(taken, bytes));
    offset += bytes;
  }
  const sha256 = hash.digest('hex');
  return found.length === 0 ? { sha256 } : { sha256, marks: found.join('') };
}

function markOf(hash: Hash): string {
  return hash.copy().digest('hex').slice(0, MARK_DIGITS);
}

/** The names of the tensors of a .safetensors, in the order of the file; none if it is something else. */
export async function tensorsOf(file: SizedFile): Promise<readonly string[]> {
  return (await layoutOf(file))?.names ?? [];
}

/** Undefined if the file is no .safetensors: nothing here complains, whoever reads its tensors does. */
async function layoutOf(file: SizedFile): Promise<Layout | undefined> {
  if (file.size < LENGTH_BYTES) return undefined;
  const head = await readBytes(file, 0, LENGTH_BYTES);
  const length = Number(head.readBigUInt64LE());
  const begin = LENGTH_BYTES + length;
  if (length > MOST_HEADER_BYTES || begin > file.size) return undefined;
  const tensors = tensorEnds(await readBytes(file, LENGTH_BYTES, length));
  if (tensors === undefined || tensors.some(([, end]) => begin + end > file.size)) return undefined;
  return {
    names: tensors.map(([name]) => name),
    ends: [begin, ...tensors.map(([, end]) => begin + end)],
  };
}

/** Where tensors end, counted from the end of the header, the first of the file first. */
function tensorEnds(header: Buffer): readonly (readonly [name: string, end: number])[] | undefined {
  try {
    const document = JSON.parse(header.toString()) as Readonly<Record<string, unknown>>;
    const found = Object.entries(document)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, entry]) => {
        const [begin, end] = (entry as { readonly data_offsets: readonly number[] }).data_offsets;
        return { name, begin: whole(begin), end: whole(end) };
      });
    found.sort((a, b) => a.end - b.end || a.begin - b.begin || (a.name < b.name ? -1 : 1));
    return found.map(({ name, end }) => [name, end]);
  } catch {
    return undefined;
  }
}

function whole(offset: number | undefined): number {
  if (Number.isSafeInteger(offset) && (offset ?? -1) >= 0) return offset ?? 0;
  throw new TypeError('no offset');
}

async function readBytes(file: SizedFile, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let filled = 0; filled < length; ) {
    filled += await readBlock(file, offset + filled, bytes.subarray(filled));
  }
  return bytes;
}

/** At least one byte. */
async function readBlock(
  { descriptor, path, size }: SizedFile,
  offset: number,
  into: Buffer,
): Promise<number> {
  const length = Math.min(into.length, size - offset);
  let bytesRead: number;
  try {
    ({ bytesRead } = await readAt(descriptor, into, 0, length, offset));
  } catch (error) {
    throw readFailed(path, error, offset);
  }
  if (bytesRead > 0) return bytesRead;
  throw readFailed(path, new Error('it became shorter'), offset);
}
