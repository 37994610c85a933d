/**
 * What hosts do with the records of bands whose outputs outlive a run: they go on with it, and share it among machines.
 * Others, such as pages, load nothing of it.
 */
import type { Json } from '../api/json.js';
import { runStage, type StageIo } from '../engine/pipeline.js';
import type { BandRecord, EncodeResult, WasmEncodeStage } from '../engine/wasm.js';
import { mergeParts, partBytes, writePart } from './part-file.js';
import { rightOf } from './recheck.js';

/** Where a worker says what it has done, while it works. */
export interface Journal {
  append(records: Json<readonly BandRecord[]>): void;
}

/** Says what is done as often as somebody could be told of it. */
async function runRecorded(
  journal: Journal,
  stage: WasmEncodeStage,
  io: StageIo,
): Promise<Json<EncodeResult>> {
  const append = (isOver: boolean) => {
    const records = stage.takeRecords(isOver);
    if (records !== '[]') journal.append(records);
  };
  stage.keepRecords();
  const result = await runStage(stage, {
    ...io,
    onProgress: (...progress) => {
      append(false);
      io.onProgress?.(...progress);
    },
  });
  append(true);
  return result;
}

export const RECORD_KEEPING = { runRecorded, rightOf, partBytes, writePart, mergeParts } as const;
export type RecordKeeping = typeof RECORD_KEEPING;
