/**
 * The folder in which this user's tools keep what they can make again, and ours in it.
 * `MONOQUANT_CACHE` names another one, or is `off`.
 */
import { homedir, platform } from 'node:os';
import { join } from 'node:path';

const NAME = 'monoquant';

/** Undefined if nothing is to be kept. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const { MONOQUANT_CACHE: asked, XDG_CACHE_HOME: shared, LOCALAPPDATA: local } = environment;
  if (asked === 'off') return undefined;
  if (asked) return asked;
  // What is no whole path is to be ignored, says the XDG Base Directory Specification.
  if (shared?.startsWith('/')) return join(shared, NAME);
  if (platform() === 'win32') return local && join(local, NAME, 'Cache');
  const home = homedir();
  if (home === '') return undefined;
  return join(home, ...(platform() === 'darwin' ? ['Library', 'Caches'] : ['.cache']), NAME);
}
