// The steps of the tests: what each one runs, beside what, and where it leaves its results.
// Why: `npm test` and `npm run test:deep` are two choices from one list.
// Always: steps of one lane run one after the other, the cheapest mistakes first; lanes run side by side.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
const NODE = process.execPath;
const JOBS = String(availableParallelism());
const FUZZ_SECONDS = '120';
const PICKLE_CASES = join(ROOT, 'build/pickle-cases.jsonl');
const CORE = ['cmake', 'ninja-build', 'nlohmann-json3-dev'];
const TESTS = [...CORE, 'libgtest-dev', 'libsimde-dev'];

/**
 * @typedef {object} Step
 * @property {'native' | 'package' | 'pages'} lane one compiles and runs the core, one has the package in Node, one waits for browsers
 * @property {() => string[][]} commands the first one that fails ends the step
 * @property {string[]} [needs] steps that have to pass before it
 * @property {string[]} [packages] Debian's names of what it runs
 * @property {boolean} [emscripten] whether it runs Emscripten
 * @property {boolean} [onlyDeep] whether `npm test` leaves it out
 * @property {NodeJS.ProcessEnv} [env]
 * @property {string} [preset] of CMake: its programs leave their results in its build tree
 */

/**
 * The folder in which the programs of a step write what became of each of their tests.
 * @param {string} name
 * @param {{preset?: string}} step
 */
export function resultsOf(name, { preset }) {
  return join(ROOT, 'build', preset ?? name, 'test-results');
}

/**
 * @param {boolean} deep
 * @returns {Record<string, Step>}
 */
export function stepsOf(deep) {
  const steps = { ...packageSteps(deep), ...nativeSteps(deep) };
  return Object.fromEntries(Object.entries(steps).filter(([, { onlyDeep }]) => deep || !onlyDeep));
}

/**
 * @param {boolean} deep
 * @returns {Record<string, Step>}
 */
function nativeSteps(deep) {
  return {
    format: {
      lane: 'native',
      packages: ['clang-format'],
      commands: () => [['clang-format', '--dry-run', '--Werror', ...cppFiles('*.cc', '*.h')]],
    },
    native: {
      lane: 'native',
      needs: ['build'], // plans of the package are given to the native program, too
      packages: [...TESTS, 'clang', 'libclang-rt-14-dev'],
      preset: 'native-asan',
      commands: () => [...nativeTests('native-asan'), vitest('native-asan', ['native'])],
    },
    browser: {
      lane: 'pages',
      needs: ['build'],
      packages: ['chromium'],
      commands: () => [vitest('browser', ['chromium', 'chromium-isolated'])],
    },
    plain: {
      lane: 'native',
      onlyDeep: true,
      packages: [...TESTS, 'g++'],
      preset: 'native-debug',
      commands: () => nativeTests('native-debug'),
    },
    fuzz: {
      lane: 'native',
      onlyDeep: true,
      packages: [...TESTS, 'clang', 'libclang-rt-14-dev'],
      commands: () => [[NODE, 'scripts/fuzz.mjs', 'all', FUZZ_SECONDS]],
    },
    pickles: {
      lane: 'native',
      onlyDeep: true,
      needs: ['native'],
      packages: ['python3'],
      env: { MONOQUANT_PICKLE_CASES: PICKLE_CASES },
      commands: () => [
        [
          'python3',
          'scripts/pickle-names/resolve.py',
          'cpp/fuzz/corpus/pickle',
          PICKLE_CASES,
          '20000',
        ],
        [
          'build/native-asan/cpp/tests/monoquant_tests',
          '--gtest_filter=PickleNames.AreThoseThatPythonResolves',
        ],
      ],
    },
    tidy: {
      lane: 'native',
      packages: [...TESTS, 'g++', 'clang-tidy', 'python3'],
      commands: () => tidy(deep ? cppFiles('monoquant/*.cc') : changedFiles('cpp/monoquant/*.cc')),
    },
  };
}

/**
 * @param {boolean} deep
 * @returns {Record<string, Step>}
 */
function packageSteps(deep) {
  return {
    lint: {
      lane: 'package',
      commands: () => [
        [NODE, bin('@biomejs/biome/bin/biome'), 'ci'],
        [NODE, 'scripts/arrows.mjs'],
      ],
    },
    types: {
      lane: 'package',
      commands: () => [[NODE, bin('typescript/bin/tsc'), '-b']],
    },
    build: {
      lane: 'package',
      emscripten: true,
      commands: () => [[NODE, 'scripts/build.mjs']],
    },
    kernels: {
      lane: 'package',
      needs: ['build'], // in the same tree: what the engine is made of is compiled already
      emscripten: true,
      commands: () => [
        ['cmake', '--preset', 'wasm-st', '-DMONOQUANT_TESTS=ON'],
        ['cmake', '--build', '--preset', 'wasm-st', '-j', JOBS, '--target', 'wasm_kernel_parity'],
        ctest('kernels', '--test-dir', 'build/wasm-st', '--output-on-failure'),
      ],
    },
    package: {
      lane: 'package',
      needs: ['build'],
      packages: ['zstd'],
      commands: () => [
        [NODE, 'scripts/pack.mjs', '--stage', 'build/package'],
        [NODE, bin('publint/src/cli.js'), 'build/package', '--strict'],
        // Vitest alone would leave a processor to itself, and the other lanes are over sooner.
        vitest('package', ['node'], `--maxWorkers=${JOBS}`),
      ],
    },
    site: {
      lane: 'pages',
      needs: ['build'],
      packages: ['chromium'],
      commands: () => [vitest('site', ['site'])],
    },
    firefox: {
      lane: 'pages',
      needs: ['build'],
      onlyDeep: true,
      packages: ['firefox-esr'],
      commands: () => [vitest('firefox', ['firefox', 'firefox-isolated', 'firefox-site'])],
    },
    faults: {
      lane: 'package',
      needs: ['build'],
      onlyDeep: true,
      packages: ['e2fsprogs', 'mount'],
      commands: () => [[NODE, 'scripts/faults.mjs']],
    },
    consumers: {
      lane: 'pages',
      needs: ['build'],
      packages: ['chromium'],
      commands: () => [
        [NODE, 'scripts/consumers.mjs', ...(deep ? [] : ['esbuild', 'static', 'node'])],
      ],
    },
    reproduce: {
      lane: 'package',
      needs: ['build'],
      onlyDeep: true,
      emscripten: true,
      commands: () => [[NODE, 'scripts/reproduce.mjs']],
    },
    matrix: {
      lane: 'package',
      needs: ['build', 'native'],
      onlyDeep: true,
      packages: ['chromium'],
      env: { MONOQUANT_MATRIX: '1' },
      commands: () => [
        vitest('matrix', ['node', 'native', 'chromium', 'chromium-isolated'], 'wasm-tests/parity'),
      ],
    },
  };
}

/** @param {string} preset */
function nativeTests(preset) {
  return [
    ['cmake', '--preset', preset],
    ['cmake', '--build', '--preset', preset, '-j', JOBS],
    ctest(preset, '--preset', preset),
  ];
}

/**
 * @param {string} folder below build/
 * @param {...string} words
 */
function ctest(folder, ...words) {
  const results = join(ROOT, 'build', folder, 'test-results', 'ctest.xml');
  return ['ctest', ...words, '--no-tests=error', '-j', JOBS, '--output-junit', results];
}

/**
 * @param {string} folder below build/
 * @param {string[]} projects of vitest.config.ts
 * @param {...string} words files, of which only those whose path contains one of these, and flags
 */
function vitest(folder, projects, ...words) {
  const results = join(ROOT, 'build', folder, 'test-results', 'vitest.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const chosen = projects.flatMap((project) => ['--project', project]);
  return [NODE, bin('vitest/vitest.mjs'), 'run', ...reporters, ...chosen, ...words];
}

/**
 * The sources as g++ is told to compile them, one by one.
 * @param {string[]} files
 */
function tidy(files) {
  if (files.length === 0) return [];
  return [
    ['cmake', '--preset', 'native-debug'],
    // The compiler is g++, and some of its warnings are unknown to clang.
    [
      'run-clang-tidy',
      '-quiet',
      '-extra-arg=-Wno-unknown-warning-option',
      ...['-p', 'build/native-debug'],
      ...files.map((file) => `/${file}$`),
    ],
  ];
}

/** @param {string} path of a program in a dependency */
function bin(path) {
  return join(ROOT, 'node_modules', path);
}

/**
 * C++ files, whether git knows them already or not.
 * @param {...string} patterns
 */
function cppFiles(...patterns) {
  const places = patterns.map((pattern) => `cpp/${pattern}`);
  return git('ls-files', '--cached', '--others', '--exclude-standard', ...places);
}

/**
 * Files that differ from where this branch left main; on main itself, from the commit before.
 * @param {string} pattern
 */
function changedFiles(pattern) {
  const [head] = git('rev-parse', 'HEAD');
  const bases = ['origin/main', 'main'].flatMap((branch) => git('merge-base', 'HEAD', branch));
  const base = bases.find((commit) => commit !== head) ?? 'HEAD~1';
  const changed = git('diff', '--name-only', '--diff-filter=d', base, '--', pattern);
  return [...changed, ...git('ls-files', '--others', '--exclude-standard', pattern)];
}

/**
 * @param {...string} words
 * @returns {string[]} the lines; none where git fails
 */
function git(...words) {
  const { stdout, status } = spawnSync('git', words, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.split('\n').filter((line) => line !== '') : [];
}
