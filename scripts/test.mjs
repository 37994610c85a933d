// Runs every check there is: formatting, linting, types, native tests, tests of the built package.
// Why: one command that a newcomer, a machine of the project and a release all trust.
// Always: a failing step does not hide the later ones; the exit code is 0 only when all have passed.
//
// node scripts/test.mjs [STEP ...] [--verbose]      the steps are listed when one is not known

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePackages } from './apt.mjs';
import { BuildError, findOnPath, isMain, runMain } from './run.mjs';
import { ensureThirdParty } from './third-party.mjs';
import { ensureEmscripten } from './toolchain.mjs';

const ROOT = join(import.meta.dirname, '..');
const NODE = process.execPath;
const COMPILERS = ['g++', 'clang', 'cmake', 'ninja-build', 'libgtest-dev', 'libsimde-dev'];
const HEADERS = ['nlohmann-json3-dev', 'libxxhash-dev'];

// In the order in which a mistake is cheapest to find. Each runs its commands until one fails.
const STEPS = {
  lint: { commands: [[NODE, bin('@biomejs/biome/bin/biome'), 'ci']] },
  types: { commands: [[NODE, bin('typescript/bin/tsc'), '-b']] },
  format: {
    packages: ['clang-format'],
    commands: () => [['clang-format', '--dry-run', '--Werror', ...sources('*.cc', '*.h')]],
  },
  native: {
    packages: [...COMPILERS, ...HEADERS],
    commands: [
      ['cmake', '--preset', 'native-debug'],
      ['cmake', '--build', '--preset', 'native-debug'],
      ['ctest', '--preset', 'native-debug', '--no-tests=error'],
    ],
  },
  tidy: {
    packages: ['clang-tidy', 'python3'],
    // On all processors at once: it takes longer than compiling.
    commands: [['run-clang-tidy', '-quiet', '-p', 'build/native-debug', 'cpp/monoquant/.*[.]cc$']],
  },
  sanitizers: {
    packages: [...COMPILERS, ...HEADERS, 'libclang-rt-14-dev'],
    commands: [
      ['cmake', '--preset', 'native-asan'],
      ['cmake', '--build', '--preset', 'native-asan'],
      ['ctest', '--preset', 'native-asan', '--no-tests=error'],
    ],
  },
  kernels: {
    emscripten: true,
    commands: [
      ['cmake', '--preset', 'wasm-st', '-B', 'build/wasm-tests', '-DMONOQUANT_TESTS=ON'],
      ['cmake', '--build', 'build/wasm-tests'],
      ['ctest', '--test-dir', 'build/wasm-tests', '--output-on-failure', '--no-tests=error'],
    ],
  },
  package: {
    packages: ['chromium'],
    commands: [
      [NODE, 'scripts/build.mjs'],
      [NODE, bin('publint/src/cli.js'), '--strict'],
      [NODE, bin('vitest/vitest.mjs'), 'run', '--project', '!site'],
    ],
  },
  site: {
    packages: ['chromium'],
    commands: [
      [NODE, 'scripts/build.mjs'],
      [NODE, bin('vitest/vitest.mjs'), 'run', '--project', 'site'],
    ],
  },
};

if (isMain(import.meta)) await runMain(main);

async function main() {
  const { positionals } = parseArgs({
    allowPositionals: true,
    options: { verbose: { type: 'boolean' } },
  });
  const names = positionals.length === 0 ? Object.keys(STEPS) : positionals;
  const unknown = names.find((name) => !Object.hasOwn(STEPS, name));
  if (unknown !== undefined) {
    throw new BuildError(
      `There is no step "${unknown}"; there are ${Object.keys(STEPS).join(', ')}.`,
    );
  }
  const failed = [];
  for (const name of names) {
    process.stdout.write(`\n== ${name}\n`);
    if (!(await passes(STEPS[name]))) failed.push(name);
  }
  process.stdout.write(
    `\n${failed.length === 0 ? 'All is well.' : `Failed: ${failed.join(', ')}`}\n`,
  );
  process.stdout.write(`${names.length - failed.length} passed, ${failed.length} failed\n`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** @param {{packages?: string[], emscripten?: boolean, commands: string[][] | (() => string[][])}} step */
async function passes({ packages = [], emscripten = false, commands }) {
  // Elsewhere than on Debian the programs have to be there already; a missing one says so itself.
  if (findOnPath('dpkg-query') !== undefined) await ensurePackages(packages, 'the tests');
  await ensureThirdParty();
  const env = emscripten ? { ...process.env, ...(await ensureEmscripten()).env } : process.env;
  return (typeof commands === 'function' ? commands() : commands).every(
    ([program, ...args]) =>
      spawnSync(program, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] })
        .status === 0,
  );
}

/** @param {string} path of a program in a dependency */
function bin(path) {
  return join(ROOT, 'node_modules', path);
}

/** @param {...string} patterns of C++ files below cpp/ */
function sources(...patterns) {
  const { stdout } = spawnSync(
    'git',
    [
      'ls-files',
      '--cached',
      '--others',
      '--exclude-standard',
      ...patterns.map((pattern) => `cpp/${pattern}`),
    ],
    { cwd: ROOT, encoding: 'utf8' },
  );
  return stdout.split('\n').filter((file) => file !== '');
}
