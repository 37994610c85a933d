/**
 * What an action of `monoquant runs` has to work with.
 */
import type { RunRecord } from '../../js/api/run-record.js';
import type { RunLog } from '../runs/run-log.js';
import type { FlagValues } from './flag.js';
import type { RunsFlag } from './flags.js';
import type { Session } from './session.js';

export interface RunsCall {
  readonly log: RunLog;
  /** The oldest first. */
  readonly runs: readonly RunRecord[];
  /** Those that were named. */
  readonly picked: readonly RunRecord[];
  /** By flag, or pinned. */
  readonly baseline: RunRecord | undefined;
  readonly values: FlagValues<RunsFlag>;
  readonly output: string | undefined;
  readonly force: boolean;
  readonly session: Session;
}
