/**
 * A part of an output as a file of its own: what a run has encoded, without the gaps between, and behind it a tail of
 * the host's that says what it is.
 */
import { MonoquantError } from '../api/errors.js';
import { type Json, parseJson } from '../api/json.js';
import { type Engine, withHandle } from '../engine/engine.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import type { BandRecord } from '../engine/wasm.js';
import { assembled, type Piece, type Segment } from '../io/assembled.js';
import type { ByteSink } from '../io/byte-sink.js';
import type { BlockShape, ByteSource } from '../io/byte-source.js';
import { JoinedSource, MemorySource } from '../io/joined-source.js';
import { inspectOutput } from './inspect-output.js';
import { recheck } from './recheck.js';

export interface PartContent {
  readonly segments: readonly Segment[];
  readonly tail: Uint8Array;
  /** Of everything in it. */
  readonly records: readonly Json<readonly BandRecord[]>[];
}

/** Of a whole part. */
export function partBytes({ segments, tail }: PartContent): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, tail.length);
}

/** Writes a part from the output that it is a part of, and reads it back. */
export async function writePart(
  engine: Engine,
  blocks: BlockShape,
  output: ByteSource,
  sink: ByteSink<unknown>,
  { segments, tail, records }: PartContent,
): Promise<void> {
  let end = 0;
  for (const { offset, bytes, at } of segments) {
    await copyBytes(output, offset, sink, at, bytes);
    end = at + bytes;
  }
  await copyBytes(new MemorySource(tail), 0, sink, end, tail.length);
  const whole = assembled([{ source: sink, segments }], output.size);
  const wrong = whole && (await recheck(engine, blocks, whole, records));
  if (wrong?.length === 0) return;
  throw new MonoquantError(
    'verification-failed',
    'The part of the output reads back with other bytes than were written.',
    { suggestion: 'Check the disk, and run again.' },
  );
}

export interface Merging {
  /** Files and what they have, together all of the output. */
  readonly pieces: readonly Piece[];
  /** Of each part, in the same order. */
  readonly records: readonly (readonly Json<readonly BandRecord[]>[])[];
  /** Bytes of each file of the output. */
  readonly files: readonly number[];
}

/** Writes an output from all its parts, and reads it back. */
export async function mergeParts(
  engine: Engine,
  blocks: BlockShape,
  { pieces, records, files }: Merging,
  sink: ByteSink<unknown>,
  onProgress: OnStageProgress | undefined,
): Promise<void> {
  const { size } = sink;
  checkSources(engine, records.flat().flatMap(parseJson));
  const whole = assembled(pieces, size);
  if (whole === undefined) throw new MonoquantError('internal', 'Two parts have the same bytes.');
  await copyBytes(whole, 0, sink, 0, size, (done) => onProgress?.(done, 2 * size, ''));
  const compared: OnStageProgress = (done, _, tensor) =>
    onProgress?.(size + done, 2 * size, tensor);
  const wrong = await recheck(engine, blocks, sink, records.flat(), compared);
  if (wrong.length === 0) return checkFiles(engine, sink, files);
  // Was it wrong already when it came?
  for (const [index, own] of records.entries()) {
    const damaged = await recheck(engine, blocks, whole, own);
    if (damaged.length > 0) throw new DamagedPart(index);
  }
  throw new MonoquantError(
    'verification-failed',
    'The output reads back with other bytes than were written.',
    {
      suggestion: 'Check the disk, and run again.',
    },
  );
}

async function checkFiles(
  engine: Engine,
  output: ByteSource,
  files: readonly number[],
): Promise<void> {
  let begin = 0;
  for (const bytes of files) {
    const file = new JoinedSource([{ source: output, begin, end: begin + bytes }]);
    await withHandle(await inspectOutput(engine, file), () => {});
    begin += bytes;
  }
}

/** The data of a tensor that several parts have read, as its container has them. */
function checkSources(engine: Engine, records: readonly BandRecord[]): void {
  const tensors = new Map<number, { band: number; crc: number; bytes: number; whole: number }[]>();
  for (const [tensor, band, , , crc] of records) {
    if (tensor === null || crc === null) continue;
    const [value, bytes, whole] = crc;
    tensors.set(tensor, [...(tensors.get(tensor) ?? []), { band, crc: value, bytes, whole }]);
  }
  for (const bands of tensors.values()) {
    bands.sort((a, b) => a.band - b.band);
    const found = bands.reduce((sum, { crc, bytes }) => engine.combineCrc32(sum, crc, bytes), 0);
    if (found === bands[0]?.whole) continue;
    throw new MonoquantError(
      'malformed-file',
      "The data of a tensor have not the checksum that the model's directory says.",
      { suggestion: 'The model is damaged, or was changed between two parts: get it again.' },
    );
  }
}

/** Its bytes are not those that it says they are. */
export class DamagedPart extends MonoquantError {
  constructor(index: number) {
    super(
      'malformed-file',
      `The bytes of part ${index + 1} are not those that its run has written.`,
      {
        suggestion: 'Copy it again, or make it again.',
      },
    );
  }
}

const COPY_BYTES = 4 << 20;

async function copyBytes(
  from: ByteSource,
  offset: number,
  sink: ByteSink<unknown>,
  at: number,
  bytes: number,
  onProgress?: (done: number) => void,
): Promise<void> {
  const block = new Uint8Array(Math.min(COPY_BYTES, bytes));
  for (let done = 0; done < bytes; ) {
    const some = block.subarray(0, Math.min(block.length, bytes - done));
    await from.read(offset + done, some);
    await sink.write(at + done, some);
    done += some.length;
    onProgress?.(done);
  }
}
