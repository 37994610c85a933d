/**
 * Whether an output holds what records say: each band by its checksums.
 */
import { type Json, parseJson, toJson } from '../api/json.js';
import { type Engine, throwIfError, withHandle } from '../engine/engine.js';
import { type OnStageProgress, runStage } from '../engine/pipeline.js';
import type { BandRecord } from '../engine/wasm.js';
import type { BlockShape, ByteSource } from '../io/byte-source.js';

type Records = Json<readonly BandRecord[]>;

/** The numbers of those of which not every byte is there, counted over all of them. */
export function recheck(
  engine: Engine,
  blocks: BlockShape,
  output: ByteSource,
  records: readonly Records[],
  onProgress?: OnStageProgress,
): Promise<readonly number[]> {
  return withHandle(engine.recheckStage(output.size, blocks), async (stage) => {
    for (const some of records) {
      if (!stage.add(some)) throwIfError(stage.error());
    }
    const io = { sources: [output], slots: blocks.slots, onProgress };
    return parseJson(await runStage(stage, io)).wrong;
  });
}

/** Those that the output holds. */
export async function rightOf(
  engine: Engine,
  blocks: BlockShape,
  output: ByteSource,
  records: readonly Records[],
  onProgress?: OnStageProgress,
): Promise<readonly Records[]> {
  const wrong = new Set(await recheck(engine, blocks, output, records, onProgress));
  let number = 0;
  return records.map((some) => toJson(parseJson(some).filter(() => !wrong.has(number++))));
}
