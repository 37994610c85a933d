// Runs the programs that the build is made of: apt, CMake, npm, tsc.
// Why: a build should print one line a step, and a program's whole output only when it fails.
// Always: a step that fails throws BuildError with the output of its program; stdout stays empty.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A failure with a message meant for people; its stack says nothing useful. */
export class BuildError extends Error {}

/**
 * Runs a script's work; a BuildError becomes its message and exit code 1.
 * @param {() => Promise<void>} work
 */
export async function runMain(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * Whether a module is the script that node was started with.
 * @param {ImportMeta} meta
 */
export function isMain(meta) {
  return meta.url === pathToFileURL(process.argv[1] ?? '').href;
}

export const isVerbose = process.argv.includes('--verbose');

/**
 * Prints what is being done, does it, and adds the time it took to the same line.
 * @template T
 * @param {string} title
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const start = performance.now();
  process.stderr.write(`monoquant: ${title} ...${isVerbose ? '\n' : ' '}`);
  try {
    const result = await work();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    process.stderr.write(isVerbose ? `monoquant: ${title}: ${seconds} s\n` : `${seconds} s\n`);
    return result;
  } catch (error) {
    process.stderr.write('failed\n');
    throw error;
  }
}

/**
 * Runs a program and returns its stdout. With --verbose its output is shown as it comes.
 * @param {string[]} command program and arguments
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, hint?: string}} [options] `hint` ends the error
 */
export function run(command, { cwd, env, hint } = {}) {
  const [program, ...args] = command;
  const result = spawnSync(program, args, {
    cwd,
    env: env ?? process.env,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
    stdio: isVerbose ? ['ignore', 2, 2] : ['ignore', 'pipe', 'pipe'],
  });
  if (result.status === 0) return result.stdout ?? '';
  const reason =
    result.error?.message ??
    (result.signal ? `ended by ${result.signal}` : `exit ${result.status}`);
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd();
  const parts = [output, `${command.join(' ')}: ${reason}`, hint];
  throw new BuildError(parts.filter(Boolean).join('\n'));
}

/**
 * Where a program is, looked up as a shell does it; undefined when it is nowhere.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findOnPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // not here: the next folder
    }
  }
  return undefined;
}
