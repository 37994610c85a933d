/**
 * A log of runs: `runs.jsonl` in a folder, one line of JSON for each run.
 * It exists so that runs of months can be found and compared, whoever has made them and whatever became of them.
 * Lines are only added, each by one write to the end of the file, and are on the disk before `append` returns: several
 * processes may do so at once, and a kill or a power cut takes no line away. What one of them leaves of a line is passed
 * over by readers, and ended by the next writer.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { MonoquantError } from '../../js/api/errors.js';
import { isRunRecord, type RunRecord } from '../../js/api/run-record.js';
import { pathOf } from '../input-file.js';
import { makeFolder } from '../output-folder.js';
import { readFailed } from '../read-failed.js';
import { codeOf } from '../reason.js';
import { writeFailed } from '../write-failed.js';

export const LOG_NAME = 'runs.jsonl';

export interface RunLines {
  /** In the order in which they were written. */
  readonly runs: readonly RunRecord[];
  /** Lines that are no record: what a kill has left of one, or what a later version has written. */
  readonly unread: number;
}

const NEWLINE = 0x0a;
const TAIL_BYTES = 4 << 20;

export class RunLog {
  readonly folder: string;
  readonly path: string;

  constructor(named: string) {
    this.folder = pathOf(named, 'log');
    this.path = join(this.folder, LOG_NAME);
  }

  /** Throws before any work if nothing can be added. */
  prepare(): void {
    this.#withFile((descriptor) => fstatSync(descriptor));
  }

  append(record: RunRecord): void {
    const text = `${JSON.stringify(record)}\n`;
    this.#withFile((descriptor) => {
      const { size } = fstatSync(descriptor);
      const line = Buffer.from(endsLine(descriptor, size) ? text : `\n${text}`);
      // Where a write goes to the end of the file, it is one step for all who look on.
      const written = writeSync(descriptor, line);
      fsyncSync(descriptor);
      if (size === 0) syncFolder(this.folder);
      if (written === line.length) return;
      throw new MonoquantError(
        'write-failed',
        `Could not write "${this.path}": it took ${written} of the ${line.length} bytes of a line.`,
        { suggestion: 'Make room on the disk.' },
      );
    });
  }

  /** None if there is no such file. */
  read(): RunLines {
    let content: string;
    try {
      content = readFileSync(this.path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { runs: [], unread: 0 };
      throw readFailed(this.path, error);
    }
    return runsIn(content);
  }

  /** Those at the end of the file, as many as are read in a moment. */
  latest(): readonly RunRecord[] {
    let runs: readonly RunRecord[] = [];
    this.#withFile((descriptor) => {
      const { size } = fstatSync(descriptor);
      const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
      const read = readSync(descriptor, tail, 0, tail.length, size - tail.length);
      ({ runs } = runsIn(tail.toString('utf8', 0, read)));
    });
    return runs;
  }

  #withFile(work: (descriptor: number) => void): void {
    try {
      makeFolder(this.folder);
      const descriptor = openSync(this.path, 'a+');
      try {
        work(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      throw writeFailed(this.path, error);
    }
  }
}

function endsLine(descriptor: number, size: number): boolean {
  if (size === 0) return true;
  const last = new Uint8Array(1);
  readSync(descriptor, last, 0, 1, size - 1);
  return last[0] === NEWLINE;
}

/** The first line may have lost its beginning, and the last its end. */
function runsIn(content: string): RunLines {
  const lines = content.split('\n').filter((line) => line !== '');
  const runs = lines.flatMap((line) => recordOf(line) ?? []);
  return { runs, unread: lines.length - runs.length };
}

function recordOf(line: string): RunRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRunRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** So that the name of a new file outlives a power cut, too. Windows has no such thing. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // The line itself is on the disk.
  }
}
