/**
 * The tests of the built package: in Node, and in Chromium on a page with and without shared memory.
 * It exists so that one `vitest run` says whether every engine in dist/ keeps its promises.
 * Tests import dist/ and never the sources; servers listen on the loopback address only.
 * MONOQUANT_DEEP: everything everywhere, as `npm run test:deep` has it.
 */
import { join } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import type { BrowserConfigOptions } from 'vitest/node';
import { firefoxProvider } from './wasm-tests/firefox/provider.js';
import { DEEP } from './wasm-tests/support/deep.js';

const ROOT = import.meta.dirname;
const CHROMIUM = {
  provider: playwright({
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      // With `gc` in pages and workers, for tests of what must outlive a collection.
      args: ['--no-sandbox', '--js-flags=--expose-gc'],
    },
  }),
  instances: [{ browser: 'chromium' as const }],
};
const FIREFOX = { provider: firefoxProvider, instances: [{ browser: 'firefox' as const }] };

/** With these, a page may have threads on shared memory. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** Tests measure what they test; those of the cache say where it is. */
process.env.MONOQUANT_CACHE = 'off';

/** Machines may be busy; what hangs, hangs for ever. */
const TIMEOUTS = { testTimeout: 60_000, hookTimeout: 60_000 };

/** What runs in Node and needs the core compiled for this machine. */
const NATIVE = 'wasm-tests/parity/native.node.test.ts';

/**
 * Files of contract/ that go through what each host has of its own: files in and out, messages to workers, errors
 * that cross them, ends of runs. The others are about numbers and decisions: those are made by the engine, which
 * does not know where it runs, and whose outputs parity/ compares in every host.
 */
const IN_BROWSERS = [
  'beside',
  'calibration',
  'compare',
  'control',
  'dequantize',
  'distribution',
  'gguf',
  'gptq',
  'handle',
  'open',
  'output-config',
  'reject',
  'shards',
  'torch',
  'validate',
  'zstd',
];

/** Those of them that ask for threads. The others work alone, wherever they run. */
const IN_ISOLATED_PAGES = ['control', 'dequantize', 'shards'];

const nodeProject: TestProjectInlineConfiguration = {
  resolve: { alias: aliases('node') },
  test: {
    name: 'node',
    ...TIMEOUTS,
    include: testsIn('contract', 'parity', 'node', 'cli', 'package'),
    exclude: [NATIVE],
    // As Node itself would load it, untouched.
    server: { deps: { external: [/\/dist\/node\//] } },
  },
};

const nativeProject: TestProjectInlineConfiguration = {
  resolve: { alias: aliases('node') },
  test: {
    name: 'native',
    ...TIMEOUTS,
    include: [NATIVE],
    server: { deps: { external: [/\/dist\/node\//] } },
  },
};

/** Drives a browser from outside; times and memory are measured, so one file at a time, after all others. */
const siteProject: TestProjectInlineConfiguration = {
  resolve: { alias: aliases('node') },
  test: {
    name: 'site',
    ...TIMEOUTS,
    include: testsIn('site'),
    fileParallelism: false,
    sequence: { groupOrder: 1 },
    server: { deps: { external: [/\/dist\//] } },
  },
};

/** The second browser, in `npm run test:deep`. */
const firefoxSiteProject: TestProjectInlineConfiguration = {
  resolve: { alias: aliases('node') },
  test: {
    name: 'firefox-site',
    ...TIMEOUTS,
    include: testsIn('firefox'),
    fileParallelism: false,
    server: { deps: { external: [/\/dist\//] } },
  },
};

/** Tests within a page. `files`: those of contract/ that run there. */
function browserProject(
  name: string,
  headers: Record<string, string>,
  files: readonly string[],
  browser: Required<Pick<BrowserConfigOptions, 'provider' | 'instances'>> = CHROMIUM,
): TestProjectInlineConfiguration {
  const contract = files.map((file) => `wasm-tests/contract/${file}.test.ts`);
  return {
    resolve: { alias: aliases('browser') },
    server: { host: '127.0.0.1', headers },
    test: {
      name,
      ...TIMEOUTS,
      provide: { everyFixture: DEEP },
      include: [...(DEEP ? testsIn('contract') : contract), ...testsIn('parity', 'browser')],
      exclude: ['**/*.node.test.ts'],
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        ...browser,
        // Vitest writes each project's name into them.
        instances: browser.instances.map((instance) => ({ ...instance })),
      },
    },
  };
}

/** `#package` is the entry of the host that a test runs in: for types and constants, which are the same. */
function aliases(host: 'node' | 'browser') {
  const entry = join(ROOT, `dist/${host}/index.js`);
  return [
    { find: '#host', replacement: join(ROOT, `wasm-tests/host/host.${host}.ts`) },
    { find: /^#package(\/(node|browser))?$/, replacement: entry },
    // As the page's own sources call the package.
    { find: /^monoquant$/, replacement: entry },
  ];
}

function testsIn(...folders: string[]): string[] {
  return folders.map((folder) => `wasm-tests/${folder}/**/*.test.ts`);
}

export default defineConfig({
  resolve: { alias: aliases('node') },
  test: {
    globalSetup: 'wasm-tests/parity/expected.ts',
    provide: { everyFixture: true },
    projects: [
      nodeProject,
      nativeProject,
      browserProject('chromium', {}, IN_BROWSERS),
      browserProject('chromium-isolated', ISOLATION, IN_ISOLATED_PAGES),
      browserProject('firefox', {}, IN_BROWSERS, FIREFOX),
      browserProject('firefox-isolated', ISOLATION, IN_ISOLATED_PAGES, FIREFOX),
      siteProject,
      firefoxSiteProject,
    ],
  },
});
