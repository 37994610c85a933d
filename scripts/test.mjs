// Runs the tests: formatting, linting, types, the core, the package in Node and browsers, the site.
// Why: one command that a newcomer, a machine of the project and a release all trust.
// Always: the exit code is 0 only when every step has passed; the last line counts tests.
//
// node scripts/test.mjs [STEP ...] [--deep] [--verbose]      the steps are listed when one is not known

import { parseArgs } from 'node:util';
import { ensurePackages } from './apt.mjs';
import { processorSeconds } from './processor-time.mjs';
import { BuildError, findOnPath, isMain, runMain } from './run.mjs';
import { runSteps } from './test-runner.mjs';
import { stepsOf } from './test-steps.mjs';
import { ensureThirdParty } from './third-party.mjs';
import { ensureEmscripten } from './toolchain.mjs';

const SLOWEST = 10;

if (isMain(import.meta)) await runMain(main);

async function main() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { deep: { type: 'boolean' }, verbose: { type: 'boolean' } },
  });
  const deep = values.deep ?? false;
  const steps = chooseSteps(stepsOf(deep), positionals);
  const env = await prepare(Object.values(steps));
  const start = performance.now();
  const outcomes = await runSteps(
    steps,
    { ...env, ...(deep ? { MONOQUANT_DEEP: '1' } : {}) },
    values.verbose ?? false,
  );
  printSummary(outcomes, (performance.now() - start) / 1000);
}

/**
 * The steps named and those that they need; all where none is named.
 * @param {ReturnType<typeof stepsOf>} all
 * @param {string[]} names
 */
function chooseSteps(all, names) {
  const unknown = names.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined) {
    const known = Object.keys(all).join(', ');
    throw new BuildError(`There is no step "${unknown}"; there are ${known}.`);
  }
  const needed = names.flatMap((name) => all[name]?.needs ?? []);
  const chosen = names.length === 0 ? Object.keys(all) : [...needed, ...names];
  return Object.fromEntries(Object.entries(all).filter(([name]) => chosen.includes(name)));
}

/**
 * Installs what the steps run, so that none of them waits for another's packages.
 * @param {import('./test-steps.mjs').Step[]} steps
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
async function prepare(steps) {
  // Elsewhere than on Debian the programs have to be there already; a missing one says so itself.
  const packages = new Set(steps.flatMap((step) => step.packages ?? []));
  if (findOnPath('dpkg-query') !== undefined) await ensurePackages([...packages], 'the tests');
  await ensureThirdParty();
  const usesEmscripten = steps.some(({ emscripten }) => emscripten);
  return usesEmscripten ? { ...process.env, ...(await ensureEmscripten()).env } : process.env;
}

/**
 * @param {import('./test-runner.mjs').Outcome[]} outcomes
 * @param {number} seconds
 */
function printSummary(outcomes, seconds) {
  const sum = (/** @type {'passed' | 'failed'} */ key) =>
    outcomes.reduce((total, outcome) => total + outcome[key], 0);
  const total = { name: 'all', seconds, passed: sum('passed'), failed: sum('failed') };
  const lines = [
    '',
    '| step     | seconds | passed | failed |',
    '|:---------|--------:|-------:|-------:|',
  ];
  for (const row of [...outcomes, total]) {
    const cells = [
      row.seconds.toFixed(1).padStart(7),
      ...[row.passed, row.failed].map((count) => String(count).padStart(6)),
    ];
    lines.push(`| ${row.name.padEnd(8)} | ${cells.join(' | ')} |`);
  }
  const processors = processorSeconds();
  if (processors !== undefined) lines.push('', `Processor time: ${processors.toFixed(0)} s`);
  const slowest = outcomes
    .flatMap(({ name, files }) => files.map((file) => ({ ...file, step: name })))
    .sort((one, other) => other.seconds - one.seconds)
    .slice(0, SLOWEST);
  if (slowest.length > 0) lines.push('', 'Slowest:');
  for (const { name, step, seconds: each } of slowest) {
    lines.push(`${each.toFixed(1).padStart(7)} s  ${name} (${step})`);
  }
  const failed = outcomes.filter((outcome) => outcome.failed > 0).map(({ name }) => name);
  lines.push('', failed.length === 0 ? 'All is well.' : `Failed: ${failed.join(', ')}`);
  lines.push(`${total.passed} passed, ${total.failed} failed`);
  process.stdout.write(`${lines.join('\n')}\n`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
