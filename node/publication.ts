/**
 * The end of a run: complete files get their names, all of them or none.
 * It exists so that a power cut, a kill or an error in the last moment finds no half output: everything is on the disk
 * before the first name is given, the names are given back to back, and taken back if one of them cannot be.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { MonoquantError } from '../js/api/errors.js';
import type { OutputFile } from './output-file.js';
import { codeOf } from './reason.js';
import { writeFailed } from './write-failed.js';

export interface PublicationChoices {
  /** Folders that were made for the files; their entries are to last as well. */
  readonly folders?: readonly string[];
  /** False for files that end with the process anyway. */
  readonly lasts?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** In the order in which the files get their names: the one that loaders look for comes last. */
export async function publish(
  files: readonly OutputFile[],
  { folders = [], lasts = true, signal }: PublicationChoices = {},
): Promise<void> {
  for (const file of files) await file.seal(lasts);
  if (signal?.aborted) {
    throw new MonoquantError('aborted', 'The call was aborted.', { cause: signal.reason });
  }
  try {
    for (const file of files) file.place();
    if (!lasts) return;
    for (const folder of new Set([...files.map((file) => file.folder), ...folders])) {
      syncFolder(folder);
    }
  } catch (error) {
    for (const file of [...files].reverse()) file.takeBack();
    throw error;
  } finally {
    for (const file of files) file.discard();
  }
}

/** Systems that have no such thing, or not for folders. */
const UNSUPPORTED = ['EACCES', 'EBADF', 'EINVAL', 'EISDIR', 'ENOSYS', 'ENOTSUP', 'EPERM'];

/** Names last only with the folder that holds them. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (!UNSUPPORTED.includes(codeOf(error) ?? '')) throw writeFailed(folder, error);
  }
}
