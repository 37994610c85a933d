/**
 * What a run says of itself while it works, so that another can go on where it was interrupted.
 * It exists between the run, which knows bands and plans, and the host, which knows files.
 */
import type { Calibration } from '../api/calibration.js';
import type { Json } from '../api/json.js';
import type { UnfitTensor } from '../engine/engine-options.js';
import type { PlanFacts } from '../worker/plan-facts.js';
import type { Records } from '../worker/protocol.js';
import type { Segment } from '../worker/segments.js';

/** Kept beside the output. */
export interface RunJournal {
  /** How workers name it. */
  readonly place: string;
  /**
   * The tensors that an earlier run has found unfit: its plan was made with them. Throws if it was a run of something
   * else. Called once the calibration is known.
   */
  earlierUnfit(calibration: Json<Calibration> | null): readonly UnfitTensor[];
  /** What the earlier run says to have done by the plan with these. */
  earlierRecords(unfit: readonly UnfitTensor[], outputBytes: number): Records;
  /** Begins to record: a run by that plan, of which `done` is done. */
  begin(unfit: readonly UnfitTensor[], outputBytes: number, done: Records): void;
  /** Everything that was recorded. */
  records(): Records;
}

/** Makes what stands behind the bytes of a part and says what it is. */
export type TailOf = (
  facts: PlanFacts,
  segments: readonly Segment[],
  records: Records,
) => Uint8Array;
