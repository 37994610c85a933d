/**
 * Which bytes of an output a part of it has, and where in its file.
 */
import type { Piece, Segment } from '../io/assembled.js';

export type { Segment } from '../io/assembled.js';

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

/** Whether the pieces have every byte of an output of `size` bytes, and each of them once. */
export function isWhole(pieces: readonly Omit<Piece, 'source'>[], size: number): boolean {
  const all = pieces.flatMap(({ segments }) => segments);
  const [only, ...others] = segmentsOf(all);
  const sum = all.reduce((total, { bytes }) => total + bytes, 0);
  return others.length === 0 && only?.offset === 0 && only.bytes === size && sum === size;
}
