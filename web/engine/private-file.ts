/**
 * Files in the origin's private file system (OPFS), which hold outputs too large for memory.
 * They exist on the user's disk without his knowing, so none may stay there for longer than its use.
 * A name is claimed with a lock: what no tab holds any more is removed when the next file is claimed, and when a page
 * loads its engine.
 */
const FOLDER = 'monoquant';
const LOCK_PREFIX = 'monoquant:';

/** How long an ended worker may still hold its file. */
const REMOVAL_TRIES = 20;
const REMOVAL_PAUSE_MS = 50;

export function privateFolder(): Promise<FileSystemDirectoryHandle> {
  return navigator.storage
    .getDirectory()
    .then((root) => root.getDirectoryHandle(FOLDER, { create: true }));
}

/** A name for a file that may or may not come into being. */
export class PrivateFileName {
  readonly name: string;
  readonly #unlock: () => void;

  private constructor(name: string, unlock: () => void) {
    this.name = name;
    this.#unlock = unlock;
  }

  static async claim(): Promise<PrivateFileName> {
    const random = Math.random().toString(36).slice(2);
    const name = `${Date.now().toString(36)}-${random}`;
    const unlock = await hold(LOCK_PREFIX + name);
    // Nobody waits for tidying up, and nothing depends on it.
    removeAbandoned().catch(() => {});
    return new PrivateFileName(name, unlock);
  }

  /** Removes the file, where there is one. */
  async release(): Promise<void> {
    for (let tries = 0; tries < REMOVAL_TRIES && !(await tryRemove(this.name)); tries++) {
      await new Promise((resolve) => setTimeout(resolve, REMOVAL_PAUSE_MS));
    }
    this.#unlock();
  }
}

/** Returns what gives the lock back; the browser does so when the tab is closed. */
function hold(lock: string): Promise<() => void> {
  if (navigator.locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(
      lock,
      () => new Promise<void>((unlock) => resolve(() => unlock())),
    );
    held.catch(reject);
  });
}

/** Files of tabs that are gone. */
export async function removeAbandoned(): Promise<void> {
  if (navigator.storage?.getDirectory === undefined || navigator.locks === undefined) return;
  const folder = await privateFolder();
  for await (const name of folder.keys()) {
    await navigator.locks.request(LOCK_PREFIX + name, { ifAvailable: true }, async (lock) => {
      if (lock !== null) await folder.removeEntry(name);
    });
  }
}

/** False where the file is still in use. */
async function tryRemove(name: string): Promise<boolean> {
  try {
    const folder = await privateFolder();
    await folder.removeEntry(name);
    return true;
  } catch (error) {
    return !(error instanceof DOMException) || error.name !== 'NoModificationAllowedError';
  }
}
