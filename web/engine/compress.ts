/**
 * A file compressed with zstd as it leaves: frames are made when somebody takes them, so that none of it is kept here.
 * The bytes are those that the command writes.
 */
import { checkObject, checkWholeNumber, unexpected } from '../../js/api/check.js';
import type { AnyBlob, AnyStream } from '../../js/api/host-types.js';
import { RUN } from '../../js/api/option-table/calls.js';
import { checkOptions } from '../../js/api/option-table/entry.js';
import { type RunOptions, ZSTD_LEVEL } from '../../js/api/options.js';
import { FRAME_BYTES } from '../../js/engine/zstd.js';
import { ENGINE_TURNS, type Leave } from '../../js/session/engine-turns.js';
import { StageProgress } from '../../js/session/stage-progress.js';
import { startSession, type WebSession } from './worker-host.js';

export interface CompressOptions extends Pick<RunOptions, 'signal' | 'onProgress'> {
  /** 1 (quick) to 19 (small); 3 is the default. */
  readonly zstdLevel?: number | undefined;
}

/**
 * Compresses a file with zstd while it is read, such as the blob of a result on its way to the disk: the bytes of a
 * `.zst` that the command writes. Any zstd unpacks it, and `open` reads it as it is.
 */
export function compress(file: AnyBlob, options: CompressOptions = {}): AnyStream {
  const given = checkObject(options, 'options', ['zstdLevel', 'signal', 'onProgress']);
  const level = checkWholeNumber(given.zstdLevel, 'zstdLevel', 1, 19) ?? ZSTD_LEVEL;
  const { signal, onProgress } = checkOptions(RUN, given);
  if (!(file instanceof Blob)) throw unexpected('a File or a Blob', 'file', file);
  const progress = onProgress && new StageProgress('compress', 1, onProgress);
  const frames: number[] = [];
  let work: { readonly session: WebSession; readonly leave: Leave } | undefined;
  const begin = async () => {
    const leave = await ENGINE_TURNS.take(signal);
    work = { session: startSession(signal === undefined ? {} : { signal }), leave };
    return work;
  };
  const end = async () => {
    await work?.session.release();
    work?.leave();
    work = undefined;
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: async (controller) => {
        try {
          const { session } = work ?? (await begin());
          const parameters = { source: file, frames, level };
          const bytes = await session.request('compress', 0, parameters, { signal });
          controller.enqueue(bytes);
          const done = frames.length * FRAME_BYTES;
          if (done < file.size) {
            frames.push(bytes.length);
            progress?.of(0)(Math.min(done + FRAME_BYTES, file.size), file.size, '');
            return;
          }
          progress?.end();
          controller.close();
          await end();
        } catch (error) {
          await end();
          throw error;
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}
