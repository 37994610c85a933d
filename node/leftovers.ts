/**
 * Files and folders that must not outlive the process.
 * Only the end of the process is covered here; whoever is done earlier removes things himself.
 */
import { rmSync } from 'node:fs';

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
