/**
 * An output that stands in pieces, in one file or in several, seen as the whole that it is or will be.
 * It exists for parts of an output: each holds what it has of the output, one run of bytes behind the other.
 */
import type { ByteSource } from './byte-source.js';
import { JoinedSource, type SourcePart } from './joined-source.js';

/** Bytes of an output in a file that has only some of it. */
export interface Segment {
  /** In the output. */
  readonly offset: number;
  readonly bytes: number;
  /** In the file. */
  readonly at: number;
}

/** Bytes of an output. */
export interface Extent {
  readonly offset: number;
  readonly bytes: number;
}

/** The extents in the order of the output, those that meet as one, and one behind the other in a file. */
export function segmentsOf(extents: readonly Extent[]): readonly Segment[] {
  const segments: { offset: number; bytes: number; at: number }[] = [];
  let at = 0;
  for (const { offset, bytes } of [...extents].sort((a, b) => a.offset - b.offset)) {
    if (bytes === 0) continue;
    const last = segments.at(-1);
    if (last !== undefined && last.offset + last.bytes === offset) last.bytes += bytes;
    else segments.push({ offset, bytes, at });
    at += bytes;
  }
  return segments;
}

/** A file, and what it has of the output. */
export interface Piece {
  readonly source: ByteSource;
  readonly segments: readonly Segment[];
}

/** The output of `size` bytes; what no piece has cannot be read. Undefined if two of them have the same bytes. */
export function assembled(pieces: readonly Piece[], size: number): JoinedSource | undefined {
  const parts = pieces.flatMap(({ source, segments }) =>
    segments.map(({ offset, bytes, at }) => ({ offset, source, begin: at, end: at + bytes })),
  );
  parts.sort((a, b) => a.offset - b.offset);
  const joined: SourcePart[] = [];
  let end = 0;
  for (const { offset, ...part } of [...parts, { offset: size, ...NOTHING }]) {
    if (offset < end) return undefined;
    if (offset > end) joined.push({ ...NOTHING, end: offset - end });
    joined.push(part);
    end = offset + part.end - part.begin;
  }
  return new JoinedSource(joined);
}

/** Whether the pieces have every byte of an output of `size` bytes, and each of them once. */
export function isWhole(pieces: readonly Omit<Piece, 'source'>[], size: number): boolean {
  const all = pieces.flatMap(({ segments }) => segments);
  const [only, ...others] = segmentsOf(all);
  const sum = all.reduce((total, { bytes }) => total + bytes, 0);
  return others.length === 0 && only?.offset === 0 && only.bytes === size && sum === size;
}

const NOTHING: SourcePart = {
  source: {
    size: 0,
    read: async () => {
      throw new RangeError('A read of what no part has.');
    },
  },
  begin: 0,
  end: 0,
};
