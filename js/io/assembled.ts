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
