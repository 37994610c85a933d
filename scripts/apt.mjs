// Makes sure that Debian packages are installed which a build or a test needs.
// Why: a fresh clone on a plain Debian machine builds with `npm install` and nothing else.
// Always: nothing is run beyond one dpkg-query when all of them are there; nothing is removed.

import { spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { showState, step, tell } from './progress.mjs';
import { BuildError, findOnPath, run } from './run.mjs';

const LOCK_RETRY_MS = 2000;
const STATUS_LINE = /^(dl|pm)status:[^:]*:(\d+).*\n?/gm;

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
  await step(`installing ${wanted} for ${why}`, async () => {
    if (!listsAreFresh) await aptGet(['update'], { env });
    listsAreFresh = true;
    await aptGet(['install', '-y', '--no-install-recommends', ...missing], { env });
  });
}

/**
 * Runs apt-get. Another process may hold one of its locks (automatic updates do, and a second build): it waits for
 * as long as that takes. apt's own DPkg::Lock::Timeout does not cover the lists, which `update` locks.
 * @param {string[]} args
 * @param {{env: NodeJS.ProcessEnv, cwd?: string}} options the environment with LC_ALL=C.UTF-8
 */
export async function aptGet(args, options) {
  let hasTold = false;
  for (;;) {
    try {
      return await run(['apt-get', '-o', 'APT::Status-Fd=1', ...args], {
        ...options,
        // The lists would count to 100 before it.
        progress: (output) => (args[0] === 'update' ? undefined : findState(output)),
      });
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      const lock = findLock(error.message);
      if (lock === undefined) throw new BuildError(error.message.replace(STATUS_LINE, ''));
      if (!hasTold) tell(`waiting for another process that installs packages: ${lock}`);
      hasTold = true;
      showState('waiting for another process that installs packages');
      await setTimeout(LOCK_RETRY_MS);
    }
  }
}

/**
 * @param {string} output of apt-get with APT::Status-Fd (apt's README.progress-reporting)
 * @returns {string | undefined} how far it is
 */
function findState(output) {
  const [, part, percent] = [...output.matchAll(STATUS_LINE)].pop() ?? [];
  if (part === undefined) return undefined;
  return `${percent} % ${part === 'dl' ? 'fetched' : 'installed'}`;
}

/**
 * @param {string} output of apt-get
 * @returns {string | undefined} the sentence that names the lock and who holds it
 */
function findLock(output) {
  return /^E: (Could not get lock .*|.*is another process using it\?|.* frontend lock .*)$/m.exec(
    output,
  )?.[1];
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
