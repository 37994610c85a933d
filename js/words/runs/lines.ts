/**
 * Lines of a log, `runs.jsonl`, about runs that have gone well, made from their reports.
 * It exists for hosts that keep no log: what they hand out is read by `monoquant runs` like any other.
 */
import {
  newRunId,
  type RecordedCommand,
  RUN_FORMAT,
  type RunFile,
  type RunRecord,
} from '../../api/run-record.js';
import { resultsFor } from '../../api/run-results.js';
import type { Report } from '../../api/types.js';

export interface MadeRun {
  readonly command: RecordedCommand;
  /** When it ended; how long it took is in the report. */
  readonly ended: Date;
  readonly report: Report;
  /** As the command takes it. */
  readonly model: string;
  readonly output: string;
  readonly inputs: readonly RunFile[];
  readonly calibration: readonly RunFile[];
  readonly outputs: readonly RunFile[];
  /** What it ran in. */
  readonly host: string;
  /** At least 5 bytes. */
  readonly random: Uint8Array;
}

export function recordOf({ command, ended, report, random, ...run }: MadeRun): RunRecord {
  const { planMs, encodeMs, verifyMs } = report.timings;
  const ms = Math.round(planMs + encodeMs + verifyMs);
  const started = new Date(ended.getTime() - ms);
  const { model, output, inputs, calibration, outputs, host } = run;
  return {
    format: RUN_FORMAT,
    id: newRunId(started, random),
    parent: null,
    command,
    started: started.toISOString(),
    ms,
    exit: 0,
    folder: null,
    model,
    output,
    options: { ...report.configuration },
    ...resultsFor(report),
    host,
    inputs,
    calibration,
    outputs,
  };
}

export function linesOf(records: readonly RunRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
