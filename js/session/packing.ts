/**
 * Compressing a verified output on the workers that made it. Each takes the next frame when it has placed one; a frame
 * begins where the one before it ends, so the bytes do not depend on how many share the work, nor on who is quicker.
 */
import type { OnStageProgress } from '../engine/pipeline.js';
import { FRAME_BYTES } from '../engine/zstd.js';
import type { RemoteFile } from './session.js';

export interface PackJob<Source, Sink, Output> {
  /** The run in every worker. */
  readonly files: readonly RemoteFile<Source, Sink, Output>[];
  readonly sink: Sink;
  /** Of the output that is compressed, in bytes. */
  readonly size: number;
  readonly level: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: OnStageProgress | undefined;
}

/** Answers how many bytes each frame has. */
export async function packFrames<Source, Sink, Output>({
  files,
  sink,
  size,
  level,
  signal,
  onProgress,
}: PackJob<Source, Sink, Output>): Promise<readonly number[]> {
  const count = Math.ceil(size / FRAME_BYTES);
  const frames = new Array<number>(count).fill(0);
  let next = 0;
  let done = 0;
  /** Where the next frame begins. */
  let end: Promise<number> = Promise.resolve(0);
  const work = async (file: RemoteFile<Source, Sink, Output>) => {
    for (let frame = next++; frame < count; frame = next++) {
      const packed = file.request('pack', { frame, level }, { signal });
      const begin = end;
      end = Promise.all([begin, packed]).then(([offset, bytes]) => offset + bytes);
      // A failure is told by whoever waits for this frame; nobody may wait for the next one.
      end.catch(() => {});
      const [offset, bytes] = await Promise.all([begin, packed]);
      frames[frame] = bytes;
      await file.request('placePacked', { sink, offset }, { signal });
      done += Math.min(FRAME_BYTES, size - frame * FRAME_BYTES);
      onProgress?.(done, size, '');
    }
  };
  await Promise.all(files.map(work));
  return frames;
}
