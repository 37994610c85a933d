/**
 * Files and folders that must not outlive the process.
 * Only the end of the process is covered here; whoever is done earlier removes things himself.
 * If the process is killed, the next one removes its temporary folders.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lifeOf, MARK } from './process-mark.js';

const paths = new Set<string>();

/** Returns what takes the promise back. */
export function removeAtExit(path: string): () => void {
  if (paths.size === 0) process.on('exit', removeAll);
  paths.add(path);
  return () => {
    paths.delete(path);
    if (paths.size === 0) process.off('exit', removeAll);
  };
}

function removeAll(): void {
  for (const path of paths) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Nobody is left who could be told.
    }
  }
}

const TEMPORARY = new RegExp(`^monoquant-(${MARK})-[A-Za-z0-9]{6}$`);

/** Temporary folders of this user that processes left behind which were killed. */
export function removeOfDead(parent: string): void {
  try {
    for (const name of readdirSync(parent)) {
      const mark = TEMPORARY.exec(name)?.[1];
      if (mark === undefined || lifeOf(mark) !== 'ended') continue;
      const path = join(parent, name);
      // Anybody may make a folder of any name here.
      if (lstatSync(path).uid === (process.getuid?.() ?? 0)) rmSync(path, { recursive: true });
    }
  } catch {
    // They hold nothing up.
  }
}
