// Runs the programs that the build is made of: apt, CMake, npm, tsc.
// Why: a program's whole output is worth reading only when it fails.
// Always: a program that fails throws BuildError with its output; stdout stays empty.

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { countProcessorTime, isOver, isVerbose, showState } from './progress.mjs';

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

/**
 * Runs a program and returns its stdout. With --verbose its output is shown as it comes.
 * @param {string[]} command program and arguments
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, hint?: string, progress?: (output: string) => string | undefined}}
 * [options] `hint` ends the error; `progress` makes of a piece of the output how far the program is
 * @returns {Promise<string>}
 */
export async function run(command, { cwd, env, hint, progress } = {}) {
  if (isOver()) throw new BuildError('Not begun, because another step has failed.');
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    cwd,
    env: env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    child[name].setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      output[name] += text;
      if (isVerbose) process.stderr.write(text);
      const state = progress?.(text);
      if (state !== undefined) showState(state);
    });
  }
  const reason = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      if (signal !== null) resolve(`ended by ${signal}`);
      else resolve(code === 0 ? undefined : `exit ${code}`);
    });
  });
  countProcessorTime();
  if (reason === undefined) return output.stdout;
  const text = `${output.stdout}${output.stderr}`.trimEnd();
  throw new BuildError([text, `${command.join(' ')}: ${reason}`, hint].filter(Boolean).join('\n'));
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
