// Builds dist/: the two WebAssembly artifacts, the bundles for Node and browsers, the declarations, the site, the notices of others.
// Why: npm's `prepare` runs it, so that `npm install` in a checkout leaves a package that works.
// Always: dist/ is swapped in whole when every part is built; what did not change is not rebuilt.
//
// node scripts/build.mjs [--only wasm|ts|site|notices] [--force] [--verbose] [--timings]

import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSite } from './build-site.mjs';
import { buildTypescript } from './build-ts.mjs';
import { buildWasm } from './build-wasm.mjs';
import { buildNotices, componentsFile } from './components.mjs';
import { hashFiles } from './hash.mjs';
import { timings, together } from './progress.mjs';
import { BuildError, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const STAMP = '.stamp';

/** @typedef {typeof PARTS[keyof typeof PARTS]} Part */

// The parts of dist/: the sources and the earlier parts that each is made from, and the files and folders it owns.
const PARTS = {
  wasm: {
    inputs: ['cpp/monoquant', 'cpp/bindings', 'cpp/CMakeLists.txt', 'cmake', 'CMakeLists.txt']
      .concat(['CMakePresets.json', 'package.json', 'package-lock.json'])
      .concat(['third_party/package.json', 'third_party/package-lock.json'])
      .concat(['build', 'build-wasm', 'toolchain', 'emscripten', 'third-party'].map(script))
      .concat(['compiled-in', 'components', 'quoted'].map(script)),
    parts: [],
    outputs: ['wasm', componentsFile('wasm')],
    build: buildWasm,
  },
  ts: {
    inputs: ['js', 'node', 'types', 'web/engine', 'web/globals.d.ts', 'web/tsconfig.json']
      .concat(['tsconfig.base.json', 'tsconfig.build.json'])
      .concat(['package.json', 'package-lock.json'])
      .concat(['build', 'build-ts', 'components', 'quoted'].map(script)),
    parts: [],
    outputs: ['node', 'browser', 'types', 'man', componentsFile('ts')],
    build: buildTypescript,
  },
  site: {
    inputs: [
      'web/page',
      'vite.config.ts',
      ...['build-site', 'components', 'site-links', 'site-documents'].map(script),
    ]
      .concat(['digits', 'digits_test'].map((name) => `examples/${name}.safetensors`))
      .concat(['docs', 'examples/README.md', 'README.md', 'CHANGELOG.md'])
      .concat(['CONTRIBUTING.md', 'SECURITY.md'])
      .concat(['package.json', 'package-lock.json', 'third_party/notices']),
    parts: ['wasm', 'ts'],
    outputs: ['site', componentsFile('site')],
    build: buildSite,
  },
  notices: {
    inputs: [script('components'), 'LICENSE'],
    parts: ['wasm', 'ts'],
    outputs: ['THIRD_PARTY.txt'],
    build: buildNotices,
  },
};

await runMain(main);

async function main() {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string' },
      force: { type: 'boolean' },
      verbose: { type: 'boolean' },
      timings: { type: 'boolean' },
    },
  });
  if (options.only !== undefined && !Object.hasOwn(PARTS, options.only)) {
    throw new BuildError('--only takes wasm, ts, site or notices.');
  }
  const before = readStamp();
  /** @type {Record<string, string | undefined>} */
  const after = {};
  const stale = [];
  for (const [name, part] of Object.entries(PARTS)) {
    // With what the earlier parts were made from when they were built last, which may be older than their sources.
    const hash = [hashFiles(ROOT, part.inputs), ...part.parts.map((each) => after[each])].join(' ');
    const isWanted = options.only === undefined || options.only === name;
    const isFresh =
      before[name] === hash && part.outputs.every((output) => existsSync(dist(output)));
    if (isWanted && (options.force || !isFresh)) stale.push(name);
    after[name] = isWanted ? hash : before[name];
  }
  if (stale.length > 0) await rebuild(stale, after);
  if (stale.length === 0) process.stderr.write('monoquant is built\n');
  if (options.timings) process.stdout.write(timings());
}

/**
 * @param {string[]} stale the parts to build; the others are taken over from dist/
 * @param {Record<string, string | undefined>} stamp
 */
async function rebuild(stale, stamp) {
  const work = join(ROOT, 'build', `dist-${process.pid}`);
  const fresh = join(work, 'fresh');
  mkdirSync(fresh, { recursive: true });
  try {
    /** @type {Record<string, Promise<void>>} */
    const done = {};
    /** Each part waits for the earlier ones that it is made from; the others are built beside it. */
    const build = async (/** @type {string} */ name, /** @type {Part} */ part) => {
      await Promise.all(part.parts.map((earlier) => done[earlier]));
      if (stale.includes(name)) await part.build(ROOT, fresh);
      else keep(part.outputs, fresh);
    };
    await together(
      ...Object.entries(PARTS).map(([name, part]) => () => {
        done[name] = build(name, part);
        return done[name];
      }),
    );
    writeFileSync(join(fresh, STAMP), JSON.stringify(stamp));
    if (existsSync(DIST)) renameSync(DIST, join(work, 'old'));
    renameSync(fresh, DIST);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * @param {string[]} outputs
 * @param {string} fresh
 */
function keep(outputs, fresh) {
  for (const output of outputs) {
    if (existsSync(dist(output))) cpSync(dist(output), join(fresh, output), { recursive: true });
  }
}

/** @returns {Record<string, string | undefined>} */
function readStamp() {
  try {
    return JSON.parse(readFileSync(dist(STAMP), 'utf8'));
  } catch {
    return {};
  }
}

/** @param {string} path */
function dist(path) {
  return join(DIST, path);
}

/** @param {string} name */
function script(name) {
  return `scripts/${name}.mjs`;
}
