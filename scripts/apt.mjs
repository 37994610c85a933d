// Makes sure that Debian packages are installed which a build or a test needs.
// Why: a fresh clone on a plain Debian machine builds with `npm install` and nothing else.
// Always: nothing is run beyond one dpkg-query when all of them are there; nothing is removed.

import { spawnSync } from 'node:child_process';
import { BuildError, findOnPath, run, step } from './run.mjs';

let listsAreFresh = false;

/**
 * Installs those of the named Debian packages that are missing.
 * @param {string[]} names
 * @param {string} why ends the sentence "installing cmake for ..."
 */
export async function ensurePackages(names, why) {
  const missing = missingPackages(names);
  if (missing.length === 0) return;
  const wanted = missing.join(' ');
  if (findOnPath('apt-get') === undefined) {
    throw new BuildError(
      `${why} needs ${wanted} (Debian's names): install the same with your system's package manager.`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new BuildError(
      `${why} needs packages that only root can install: ` +
        `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${wanted}`,
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  await step(`installing ${wanted} for ${why}`, () => {
    if (!listsAreFresh) run(['apt-get', 'update'], { env });
    listsAreFresh = true;
    run(['apt-get', 'install', '-y', '--no-install-recommends', ...missing], { env });
  });
}

/**
 * @param {string[]} names
 * @returns {string[]} those that dpkg does not hold as installed; all, where there is no dpkg
 */
export function missingPackages(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the fields are dpkg's
  const format = '${Package} ${db:Status-Status}\n';
  const result = spawnSync('dpkg-query', ['-W', '-f', format, ...names], { encoding: 'utf8' });
  const installed = new Set();
  for (const line of (result.stdout ?? '').split('\n')) {
    const [name, status] = line.split(' ');
    if (status === 'installed') installed.add(name);
  }
  return names.filter((name) => !installed.has(name));
}
