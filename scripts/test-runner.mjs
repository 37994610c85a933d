// Runs steps: those of a lane one after the other, lanes side by side.
// Why: two programs that talk at once can't be read, so what a step says is printed when it ends.
// Always: a failing step does not hide the later ones, except those that need it.

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { readResults } from './test-results.mjs';
import { ROOT, resultsOf } from './test-steps.mjs';

/**
 * @typedef {import('./test-steps.mjs').Step} Step
 * @typedef {import('./test-results.mjs').Results & {name: string, seconds: number}} Outcome
 */

/**
 * @param {Record<string, Step>} steps
 * @param {NodeJS.ProcessEnv} env
 * @param {boolean} isVerbose whether the output of what passes is shown, too
 * @returns {Promise<Outcome[]>}
 */
export async function runSteps(steps, env, isVerbose) {
  /** @type {Map<string, Promise<Outcome>>} */
  const outcomes = new Map();
  /** @type {Map<string, Promise<unknown>>} */
  const lanes = new Map();
  for (const [name, step] of Object.entries(steps)) {
    const before = lanes.get(step.lane);
    const needed = (step.needs ?? []).map((need) => outcomes.get(need));
    const outcome = (async () => {
      await before;
      const missing = (await Promise.all(needed)).filter((each) => each && each.failed > 0);
      return runStep(name, step, env, isVerbose, missing[0]?.name);
    })();
    outcomes.set(name, outcome);
    lanes.set(step.lane, outcome);
  }
  return Promise.all(outcomes.values());
}

/**
 * @param {string} name
 * @param {Step} step
 * @param {NodeJS.ProcessEnv} env
 * @param {boolean} isVerbose
 * @param {string | undefined} missing a step that it needs and that failed
 * @returns {Promise<Outcome>}
 */
async function runStep(name, step, env, isVerbose, missing) {
  if (missing !== undefined) {
    say(`${name}: not run, because ${missing} failed`);
    return { name, seconds: 0, passed: 0, failed: 1, files: [] };
  }
  const folder = resultsOf(name, step);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  say(`${name} ...`);
  const start = performance.now();
  const output = [];
  let hasPassed = true;
  for (const command of step.commands()) {
    const { isGood, text } = await runCommand(command, { ...env, ...step.env });
    output.push(text);
    hasPassed = isGood;
    if (!hasPassed) break;
  }
  const seconds = (performance.now() - start) / 1000;
  const results = readResults(ROOT, folder, hasPassed);
  const counts = `${results.passed} passed, ${results.failed} failed`;
  if (!hasPassed || isVerbose) process.stdout.write(`${output.join('')}\n`);
  say(`${name}: ${seconds.toFixed(1)} s, ${counts}`);
  return { name, seconds, ...results };
}

/**
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{isGood: boolean, text: string}>}
 */
function runCommand([program = '', ...args], env) {
  return new Promise((resolve) => {
    /** @type {Buffer[]} */
    const chunks = [];
    const end = (/** @type {boolean} */ isGood, /** @type {string} */ why) =>
      resolve({ isGood, text: `${Buffer.concat(chunks)}${why}` });
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => end(false, `${program}: ${error.message}\n`));
    child.on('close', (code, signal) => {
      const isGood = code === 0;
      end(isGood, isGood ? '' : `${[program, ...args].join(' ')}: ${signal ?? `exit ${code}`}\n`);
    });
  });
}

/** @param {string} line */
function say(line) {
  process.stdout.write(`== ${line}\n`);
}
