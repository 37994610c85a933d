/**
 * Files of events for TensorBoard: a folder for each run, below the one that TensorBoard is told of.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunRecord } from '../../js/api/run-record.js';
import type { Report } from '../../js/api/types.js';
import { runEvents } from '../../js/report/events/run-events.js';
import { pathOf } from '../input-file.js';
import { makeFolder } from '../output-folder.js';
import { writeFailed } from '../write-failed.js';

/** Answers where. TensorBoard reads whatever has `tfevents` in its name. */
export function writeEvents(named: string, run: RunRecord, report?: Report): string {
  const folder = join(pathOf(named, 'tensorboard'), run.id);
  const seconds = Math.floor(Date.parse(run.started) / 1000);
  const path = join(folder, `events.out.tfevents.${seconds}.monoquant`);
  makeFolder(folder);
  try {
    writeFileSync(path, runEvents(run, report));
  } catch (error) {
    throw writeFailed(path, error);
  }
  return path;
}
