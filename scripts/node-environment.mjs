// Makes the folders of npm packages in which other programs load what monoquant writes.
// Why: runtimes of models are hundreds of megabytes that no test of this package needs.
// Always: one folder of the user's cache for each content of its list; it gets its name when it is whole.

import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { step } from './progress.mjs';
import { run } from './run.mjs';

/**
 * Installs what is missing and returns the folder.
 * @param {string} name of the environment, for people
 * @param {string} list a package.json with the packages, pinned
 * @returns {Promise<string>} the folder that has node_modules
 */
export async function ensurePackages(name, list) {
  const hash = createHash('sha256').update(readFileSync(list)).digest('hex').slice(0, 12);
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(cache, 'monoquant', `conformance-${name}-${hash}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial-${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  await step(`installing the packages of ${name} (only once)`, async () => {
    copyFileSync(list, join(partial, 'package.json'));
    await run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: partial });
    renameSync(partial, folder);
  });
  return folder;
}
