/**
 * Whether a disk has room for an output, asked before the work.
 * It exists because a plan knows the size to the byte: a full disk need not be met after hours.
 */
import { fstatSync, type StatsFs, statfsSync } from 'node:fs';
import { MonoquantError } from '../js/api/errors.js';
import type { OutputPlace } from './open-file.js';

/** `fstat` counts in these, whatever the file system has. */
const STAT_BLOCK_BYTES = 512;

/** Undefined if the system does not say. */
export function freeBytes(folder: string): number | undefined {
  try {
    return freeOf(statfsSync(folder));
  } catch {
    return undefined; // the writing will tell
  }
}

/** Some file systems do not know their size. */
function freeOf(disk: StatsFs): number | undefined {
  if (disk.blocks === 0) return undefined;
  return (process.getuid?.() === 0 ? disk.bfree : disk.bavail) * disk.bsize;
}

/** `size` is that of the whole file; what it has on the disk already is not needed again. */
export function checkRoom(
  { descriptor, path, folder, besides, parts = 1 }: OutputPlace,
  size: number,
): void {
  let disk: StatsFs;
  let taken: number;
  try {
    // In this order: what another thread writes meanwhile is counted as room, and never as missing.
    disk = statfsSync(folder);
    taken = fstatSync(descriptor).blocks * STAT_BLOCK_BYTES;
  } catch {
    return; // the writing will tell
  }
  const free = freeOf(disk);
  // A part is written twice: where it belongs in the whole, and as a file of its own.
  const needed = (parts === 1 ? size : Math.ceil((2 * size) / parts)) + besides;
  if (free === undefined || free + taken >= needed) return;
  throw new MonoquantError(
    'write-failed',
    `Could not write "${path}": ${needed} bytes are needed, and ${free} are free on the disk.`,
    { suggestion: 'Make room, or write to another disk.' },
  );
}
