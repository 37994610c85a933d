// Runs a property under libFuzzer for as long as one likes, with the address and undefined-behaviour sanitizers.
// Why: the tests check properties for seconds; what needs hours to be found needs one command.
// Always: seeds are read and never written; what libFuzzer learns stays in the build folder, for the next time.
//
// node scripts/fuzz.mjs list
// node scripts/fuzz.mjs TARGET SECONDS       all targets but `many`, two at a time: all SECONDS
// node scripts/fuzz.mjs TARGET FILE          one input again, such as one that broke the property

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { ensurePackages } from './apt.mjs';
import { step } from './progress.mjs';
import { BuildError, findOnPath, isMain, run, runMain } from './run.mjs';
import { ensureThirdParty } from './third-party.mjs';

const ROOT = join(import.meta.dirname, '..');
const FUZZ = join(ROOT, 'cpp', 'fuzz');
const BUILD = join(ROOT, 'build', 'native-fuzz');
const PACKAGES = [
  'clang',
  'cmake',
  'ninja-build',
  'libgtest-dev',
  'nlohmann-json3-dev',
  'libclang-rt-14-dev',
];

/** Of one input. The slowest that are known, those of `many`, take minutes; a hang shows. */
const SECONDS_AN_INPUT = 600;
/** It has few inputs and needs hours to itself, so `all` leaves it out. */
const SLOW = 'many';
const MEGABYTES = 4096;
/** Of the address sanitizer: not where memory was allocated, which an input that is repeated shows. */
const QUICK = 'malloc_context_size=0:quarantine_size_mb=16';
/** Of targets, which use a processor each. */
const AT_ONCE = 2;
/** Most faults need little; larger inputs cost executions. */
const MOST_BYTES = 8192;

if (isMain(import.meta)) await runMain(main);

async function main() {
  const [target, what] = process.argv.slice(2);
  const seeds = seedFolders();
  if (target === undefined || target === 'list') {
    for (const [name, folder] of seeds) {
      const count = readdirSync(folder).length;
      process.stdout.write(`${name.padEnd(14)} ${count} seeds in ${relative(ROOT, folder)}\n`);
    }
    return;
  }
  const names = target === 'all' ? [...seeds.keys()].filter((name) => name !== SLOW) : [target];
  if (names.some((name) => !seeds.has(name))) {
    throw new BuildError(
      `There is no target "${target}"; there are ${[...seeds.keys()].join(', ')}.`,
    );
  }
  const file = what !== undefined && existsSync(what) ? what : undefined;
  const seconds = Number(what);
  if (file === undefined && !(Number.isInteger(seconds) && seconds > 0)) {
    throw new BuildError(`Expected a number of seconds or a file, found "${what ?? 'nothing'}".`);
  }
  await build(names);
  let broken = 0;
  /** @param {string} name */
  const check = async (name) => {
    const inputs = file === undefined ? [corpusOf(name), seeds.get(name) ?? ''] : [file];
    const options = file === undefined ? limits(name, seconds) : [];
    const found = await breaks(name, [...options, ...inputs], file === undefined ? QUICK : '');
    if (found === undefined) return;
    ++broken;
    if (found !== '' && file === undefined)
      tell(name, found, relative(ROOT, seeds.get(name) ?? ''));
  };
  const waiting = names.values(); // one for all lanes
  const lane = async () => {
    for (const name of waiting) await check(name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  process.exitCode = broken === 0 ? 0 : 1;
}

/** As cpp/fuzz/CMakeLists.txt lists them: each target with the folder of its seeds. */
function seedFolders() {
  const text = readFileSync(join(FUZZ, 'CMakeLists.txt'), 'utf8');
  const found = text.matchAll(/^set\(seeds_(\w+) (\S+)\)$/gm);
  return new Map([...found].map(([, name = '', folder = '']) => [name, join(FUZZ, folder)]));
}

/** @param {string[]} names */
async function build(names) {
  if (findOnPath('dpkg-query') !== undefined) await ensurePackages(PACKAGES, 'fuzzing');
  await ensureThirdParty();
  const targets = names.map((name) => `fuzz_${name}`);
  await step(`building ${targets.join(', ')}`, async () => {
    await run(['cmake', '--preset', 'native-fuzz'], { cwd: ROOT });
    await run(['cmake', '--build', '--preset', 'native-fuzz', '--target', ...targets], {
      cwd: ROOT,
    });
  });
}

/** @param {string} name */
function corpusOf(name) {
  const folder = join(BUILD, 'corpus', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * @param {string} name
 * @param {number} seconds
 */
function limits(name, seconds) {
  const found = join(BUILD, 'broken', name);
  mkdirSync(found, { recursive: true });
  return [
    `-max_total_time=${seconds}`,
    `-timeout=${SECONDS_AN_INPUT}`,
    `-rss_limit_mb=${MEGABYTES}`,
    `-max_len=${MOST_BYTES}`,
    `-artifact_prefix=${found}/`,
    '-entropic_scale_per_exec_time=1', // else the few inputs that take seconds take most of the time
    '-print_final_stats=1',
  ];
}

/**
 * Undefined where the property holds; else the file with the input that breaks it, as far as there is one. Each line of
 * its output begins with its name, since another target may run beside it.
 * @param {string} name
 * @param {string[]} args
 * @param {string} sanitizer options of the address sanitizer
 * @returns {Promise<string | undefined>}
 */
function breaks(name, args, sanitizer) {
  const child = spawn(programOf(name), args, {
    cwd: ROOT,
    env: { ...process.env, ASAN_OPTIONS: sanitizer },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let found = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    process.stderr.write(`${name.padEnd(12)} ${line}\n`);
    found = /Test unit written to (\S+)/.exec(line)?.[1] ?? found;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0 ? undefined : found));
  });
}

/** @param {string} name */
function programOf(name) {
  return join(BUILD, 'cpp', 'fuzz', `fuzz_${name}`);
}

/**
 * Says what to do about an input that breaks a property.
 * @param {string} name
 * @param {string} input
 * @param {string} seeds
 */
function tell(name, input, seeds) {
  process.stdout.write(`
${name} is broken by ${input}
  again:          npm run fuzz -- ${name} ${input}
  make it small:  ${programOf(name)} -minimize_crash=1 -max_total_time=60 ${input}
  make it a seed: cp ${input} ${seeds}/what-it-shows
`);
}
