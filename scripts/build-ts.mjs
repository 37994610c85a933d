// Bundles the TypeScript for Node and for browsers, and emits its declarations and the manual page.
// Why: the package loads a handful of files, and its users see types without our sources.
// Always: workers and artifacts stay files of their own, found by `new URL(..., import.meta.url)`.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { bundledComponents, distinct, writeComponents } from './components.mjs';
import { step } from './progress.mjs';
import { quotedUrls } from './quoted.mjs';
import { BuildError, run } from './run.mjs';

const ENTRIES = {
  node: { index: 'node/index.ts', cli: 'node/cli/main.ts', worker: 'node/worker.ts' },
  browser: {
    index: 'web/engine/index.ts',
    worker: 'web/engine/worker.ts',
    thread: 'web/engine/thread.ts',
  },
};

/**
 * @param {string} root the checkout
 * @param {string} dist the folder that gets node/, browser/, types/ and man/
 */
export async function buildTypescript(root, dist) {
  for (const file of Object.values(ENTRIES).flatMap((entries) => Object.values(entries))) {
    if (!existsSync(join(root, file)))
      throw new BuildError(`${file} is missing from the checkout.`);
  }
  await step('checking types and writing declarations', () => emitDeclarations(root, dist));
  const inNode = await step('bundling for Node', () => bundle(root, 'node', dist));
  const inBrowsers = await step('bundling for browsers', () => bundle(root, 'browser', dist));
  writeComponents(dist, 'ts', distinct([...inNode, ...inBrowsers]));
  const cli = join(dist, 'node', 'cli.js');
  chmodSync(cli, 0o755);
  mkdirSync(join(dist, 'man'), { recursive: true });
  writeFileSync(
    join(dist, 'man', 'monoquant.1'),
    execFileSync(process.execPath, [cli, 'help', '--man']),
  );
}

/**
 * @param {string} root
 * @param {string} dist
 */
async function emitDeclarations(root, dist) {
  // A declaration whose source is gone would otherwise be published.
  rmSync(join(root, 'build', 'types'), { recursive: true, force: true });
  await run([process.execPath, tool(root, 'typescript', 'bin/tsc'), '-b', 'tsconfig.build.json'], {
    cwd: root,
  });
  const types = join(dist, 'types');
  mkdirSync(types, { recursive: true });
  cpSync(join(root, 'types/index.d.ts'), join(types, 'index.d.ts'));
  copyReached(join(root, 'build/types'), types, ['node/index.d.ts', 'web/engine/index.d.ts']);
}

/**
 * Copies declarations and those that they name: what nobody sees is not published.
 * @param {string} from
 * @param {string} to
 * @param {string[]} files below both
 */
function copyReached(from, to, files) {
  const reached = new Set(files);
  for (const file of reached) {
    const text = readFileSync(join(from, file), 'utf8');
    mkdirSync(join(to, dirname(file)), { recursive: true });
    writeFileSync(join(to, file), text);
    for (const [, name = ''] of text.matchAll(
      /(?:from |import |import\()['"](\.[^'"]+)\.js['"]/g,
    )) {
      reached.add(posix.join(dirname(file), `${name}.d.ts`));
    }
  }
}

/**
 * @param {string} root
 * @param {'node' | 'browser'} platform
 * @param {string} dist
 * @returns {Promise<import('./components.mjs').Component[]>} what of others is in the bundles
 */
async function bundle(root, platform, dist) {
  // Loaded only here: when nothing changed, the build must not wait for it.
  const { rolldown } = await import('rolldown');
  /** @type {import('./components.mjs').Component[]} */
  const components = [];
  const build = await rolldown({
    cwd: root,
    input: ENTRIES[platform],
    platform,
    external: platform === 'node' ? [/^node:/] : [],
    plugins: [
      artifactsStayFiles,
      bundledComponents(root, (found) => {
        components.push(...found);
        return undefined;
      }),
      quotedUrls,
    ],
    checks: { pluginTimings: false, bundlerTimings: false }, // a slow machine is no reason to fail
    onwarn: (warning) => {
      throw new BuildError(`rolldown: ${warning.message}`);
    },
  });
  try {
    await build.write({
      dir: join(dist, platform),
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunk-[name].js',
      // Those for Node are readable as they are.
      sourcemap: platform === 'browser',
      minify: platform === 'browser',
    });
  } finally {
    await build.close();
  }
  return components;
}

/**
 * `import '.../wasm/monoquant-st.mjs'` stays an import of the file that ships beside the bundles:
 * a consumer's bundler then finds the glue, and through it the .wasm.
 */
const artifactsStayFiles = {
  name: 'artifacts-stay-files',
  /** @param {string} specifier */
  resolveId(specifier) {
    const artifact = /\/wasm\/(monoquant-(?:st|mt)(?:\.node)?\.mjs)$/.exec(specifier);
    return artifact === null ? null : { id: `../wasm/${artifact[1]}`, external: true };
  },
};

/**
 * @param {string} root
 * @param {string} name of an npm package
 * @param {string} file in it
 */
function tool(root, name, file) {
  const path = join(root, 'node_modules', name, file);
  if (!existsSync(path)) throw new BuildError(`${name} is not installed: run npm install first.`);
  return path;
}
