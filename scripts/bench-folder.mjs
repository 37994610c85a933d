// Chooses where the benchmark's files lie: in memory where the system has such a folder, else in the build folder.
// Why: a disk would be measured instead of the work; memory is what the page cache of a fast one amounts to.
// Always: a folder of this process alone, which the caller removes.

import { mkdirSync, mkdtempSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError } from './run.mjs';

const MEMORY = '/dev/shm';
/** What Linux calls a file system in memory. */
const TMPFS = 0x01021994;

/**
 * @param {string} fallback
 * @param {string | undefined} asked
 * @param {number} bytes that must fit
 * @returns {{folder: string, kind: string}}
 */
export function benchFolder(fallback, asked, bytes) {
  const parent = asked ?? (isMemory(MEMORY) && roomIn(MEMORY) > bytes ? MEMORY : fallback);
  mkdirSync(parent, { recursive: true });
  if (roomIn(parent) < bytes) {
    throw new BuildError(
      `The benchmark needs ${(bytes / 1e9).toFixed(1)} GB in ${parent}: give less with --gigabytes.`,
    );
  }
  const kind = isMemory(parent) ? 'tmpfs' : 'a disk: its cache is measured, and at times the disk';
  return { folder: mkdtempSync(join(parent, 'monoquant-bench-')), kind };
}

/** @param {string} folder */
function isMemory(folder) {
  try {
    return statfsSync(folder).type === TMPFS;
  } catch {
    return false;
  }
}

/**
 * Files in memory take memory, which may be scarcer than the file system says.
 * @param {string} folder
 */
function roomIn(folder) {
  const { bavail, bsize } = statfsSync(folder);
  if (!isMemory(folder)) return bavail * bsize;
  const available = /MemAvailable: +(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'));
  return Math.min(bavail * bsize, Number(available?.[1] ?? 0) * 1024);
}
