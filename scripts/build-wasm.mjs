// Compiles the C++ core with Emscripten through CMake, once without and once with threads, and zstd beside it.
// Why: the artifacts `st` (runs everywhere) and `mt` (needs shared memory) come from one source; `zstd` is loaded only
// if a model is compressed.
// Always: all are built or the build fails; the glue is minified, once for Node and once for browsers, where
// no bundler stumbles over it.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compiledIn } from './compiled-in.mjs';
import { distinct, writeComponents } from './components.mjs';
import { step, together } from './progress.mjs';
import { quoted } from './quoted.mjs';
import { BuildError, run } from './run.mjs';
import { ensureThirdParty } from './third-party.mjs';
import { compareVersions, ensureEmscripten } from './toolchain.mjs';

/** The build trees: what each is for, and the artifacts that come out of it. */
const ENGINES = {
  st: { title: 'for one thread', artifacts: ['st', 'zstd'] },
  mt: { title: 'for several threads', artifacts: ['mt'] },
};

// Since this version Emscripten writes the options of `new Worker` as a literal.
const LITERAL_OPTIONS_SINCE = '4.0.4';

/**
 * @param {string} root the checkout
 * @param {string} dist the folder that gets wasm/
 */
export async function buildWasm(root, dist) {
  for (const file of ['CMakeLists.txt', 'CMakePresets.json']) {
    if (!existsSync(join(root, file)))
      throw new BuildError(`${file} is missing from the checkout.`);
  }
  const [toolchain] = await together(ensureEmscripten, ensureThirdParty);
  mkdirSync(join(dist, 'wasm'), { recursive: true });
  // Side by side, because each has a long end in which it links and keeps one processor busy at most.
  const components = await together(
    ...Object.entries(ENGINES).map(
      ([engine, { title, artifacts }]) =>
        () =>
          step(`compiling the engine ${title} (Emscripten ${toolchain.version})`, async () => {
            const tree = join(root, 'build', `wasm-${engine}`);
            await compile(root, `wasm-${engine}`, toolchain.env);
            for (const artifact of artifacts) {
              await collect(tree, artifact, dist, toolchain.version);
            }
            return compiledIn(root, tree, artifacts, toolchain);
          }),
    ),
  );
  writeComponents(dist, 'wasm', distinct(components.flat()));
}

/**
 * @param {string} root
 * @param {string} preset
 * @param {NodeJS.ProcessEnv} env
 */
async function compile(root, preset, env) {
  // A build tree remembers its compiler; one of another Emscripten must be configured anew.
  const cache = join(root, 'build', preset, 'CMakeCache.txt');
  const toolchainFile = env.EMSCRIPTEN_TOOLCHAIN_FILE ?? '';
  const isForeign = existsSync(cache) && !readFileSync(cache, 'utf8').includes(toolchainFile);
  const fresh = isForeign ? ['--fresh'] : [];
  await run(['cmake', '--preset', preset, ...fresh], { cwd: root, env });
  const jobs = Math.ceil(availableParallelism() / Object.keys(ENGINES).length);
  await run(['cmake', '--build', '--preset', preset, '-j', String(jobs)], {
    cwd: root,
    env: { ...env, NINJA_STATUS: '[%f/%t] ' },
    progress: (output) => {
      const last = [...output.matchAll(/^\[(\d+)\/(\d+)\]/gm)].pop();
      return last === undefined ? undefined : `${last[1]} of ${last[2]}`;
    },
  });
}

/**
 * @param {string} built
 * @param {string} artifact
 * @param {string} dist
 * @param {string} version of Emscripten
 */
async function collect(built, artifact, dist, version) {
  const name = `monoquant-${artifact}`;
  const wasm = join(dist, 'wasm', `${name}.wasm`);
  copyFileSync(join(built, `${name}.wasm`), wasm);
  chmodSync(wasm, 0o644);
  let glue = readFileSync(join(built, `${name}.mjs`), 'utf8');
  if (artifact === 'mt' && compareVersions(version, LITERAL_OPTIONS_SINCE) < 0) {
    glue = withLiteralWorkerOptions(glue, name);
  }
  const write = async (/** @type {string} */ file, /** @type {string} */ text) =>
    writeFileSync(join(dist, 'wasm', file), await minified(text, file));
  // The glue for Node starts itself again as a thread, by its name.
  await write(`${name}.node.mjs`, glue.replaceAll(`${name}.mjs`, `${name}.node.mjs`));
  await write(`${name}.mjs`, forBrowsers(glue, artifact));
}

/**
 * Emscripten's glue has a half for Node, and one module for the engine and for its threads. Bundlers follow imports
 * that only Node has, some take no `await` outside of functions, and some no worker that starts itself. So browsers
 * get their half, and whoever loads the engine says how a thread is started.
 * @param {string} glue
 * @param {string} artifact
 */
function forBrowsers(glue, artifact) {
  let text = replacedOnce(glue, /var ENVIRONMENT_IS_NODE=[^;]+;/, '');
  text = text.replace(/\bENVIRONMENT_IS_NODE\b/g, 'false');
  // Where the glue itself lies matters to nobody: the engine is found by a URL that bundlers read. Some write the
  // path on the machine that builds in its place, and Vite 8 takes another variable for it.
  text = text.replace('if(_scriptName){scriptDirectory=_scriptName}', '');
  if (text.split('_scriptName').length === 2) text = text.replace(/var _scriptName = .*;/, '');
  if (artifact === 'mt') {
    // Here the module of a thread calls the factory itself.
    text = text.replace(
      /^(?:var isPthread|var isNode|if \(isNode\)|isNode &&|isPthread &&) .*$/gm,
      '',
    );
    text = replacedOnce(
      text,
      /new Worker\(new URL\("[^"]+",import\.meta\.url\),\{[^}]*\}\)/,
      'Module["startThread"]()',
    );
  }
  return text;
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 * @param {string} replacement
 */
function replacedOnce(text, pattern, replacement) {
  const parts = text.split(pattern);
  if (parts.length !== 2) {
    throw new BuildError(
      `Expected ${pattern} exactly once in Emscripten's glue, found it ${parts.length - 1} times.`,
    );
  }
  return parts.join(replacement);
}

/**
 * Emscripten takes only the spaces out.
 * @param {string} glue
 * @param {string} file
 */
async function minified(glue, file) {
  // Loaded only here: when nothing changed, the build must not wait for it.
  const { minify } = await import('rolldown/utils');
  const { code, errors } = await minify(file, glue, { module: true });
  if (errors.length > 0) throw new BuildError(`${file}: ${errors[0]?.message}`);
  return quoted(code);
}

/**
 * Older Emscripten passes the options of a thread as a variable; newer spells them out. Node reads `workerData`.
 * @param {string} glue
 * @param {string} name
 */
function withLiteralWorkerOptions(glue, name) {
  const start = `new Worker(new URL("${name}.mjs",import.meta.url),`;
  const parts = glue.split(`${start}workerOptions)`);
  if (parts.length !== 2) {
    throw new BuildError(
      `${name}.mjs: expected ${start}workerOptions) exactly once, found it ${parts.length - 1} times.`,
    );
  }
  return parts.join(`${start}{type:"module",workerData:"em-pthread",name:"em-pthread"})`);
}
