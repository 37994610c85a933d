/**
 * The run of a log that others are measured by, if somebody has pinned one: a file beside the log that holds its id.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFailed } from '../read-failed.js';
import { codeOf } from '../reason.js';
import { writeFailed } from '../write-failed.js';
import type { RunLog } from './run-log.js';

function placeIn({ folder }: RunLog): string {
  return join(folder, 'baseline');
}

export function pinnedRun(log: RunLog): string | undefined {
  const place = placeIn(log);
  try {
    return readFileSync(place, 'utf8').trim() || undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw readFailed(place, error);
  }
}

/** Instead of the one before; undefined: none. */
export function pinRun(log: RunLog, id: string | undefined): void {
  const place = placeIn(log);
  try {
    if (id === undefined) rmSync(place, { force: true });
    else {
      const partial = `${place}.${process.pid}`;
      writeFileSync(partial, `${id}\n`);
      renameSync(partial, place);
    }
  } catch (error) {
    throw writeFailed(place, error);
  }
}
