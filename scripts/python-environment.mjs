// Makes the Python environments in which other programs load what monoquant writes.
// Why: transformers and vLLM are gigabytes that want versions of their own; no test of this package needs them.
// Always: one folder of the user's cache for each content of its requirements; it gets its name when it is whole.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { step } from './progress.mjs';
import { BuildError, findOnPath, run } from './run.mjs';

/**
 * Installs what is missing and returns the environment's Python.
 * @param {string} name of the environment, for people
 * @param {string[]} requirements files of pip; those whose name ends in `-alone.txt` are installed without
 * what they depend on
 * @returns {Promise<string>} the path of python
 */
export async function ensureEnvironment(name, requirements) {
  const hash = createHash('sha256');
  for (const file of requirements) hash.update(readFileSync(file));
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(cache, 'monoquant', `conformance-${name}-${hash.digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  const stamp = join(folder, 'complete');
  if (existsSync(stamp)) return python;
  if (findOnPath('python3') === undefined) {
    throw new BuildError('The conformance runs need python3 with venv on PATH.');
  }
  // A folder of Python environments knows its own path, so it is made in place and stamped at the end.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await step(`making the Python environment of ${name} (gigabytes, only once)`, async () => {
    await run(['python3', '-m', 'venv', folder]);
    for (const file of requirements) {
      const alone = file.endsWith('-alone.txt') ? ['--no-deps'] : [];
      await run([python, '-m', 'pip', 'install', '--quiet', '--no-compile', ...alone, '-r', file]);
    }
    mkdirSync(`${stamp}.partial`);
    renameSync(`${stamp}.partial`, stamp);
  });
  return python;
}
