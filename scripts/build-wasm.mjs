// Compiles the C++ core with Emscripten through CMake, once without and once with threads.
// Why: the artifacts `st` (runs everywhere) and `mt` (needs shared memory) come from one source.
// Always: both are built or the build fails; the glue is minified, and that of `mt` has worker options a bundler
// can read.

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
import { step, together } from './progress.mjs';
import { BuildError, run } from './run.mjs';
import { ensureThirdParty } from './third-party.mjs';
import { compareVersions, ensureEmscripten } from './toolchain.mjs';

const ENGINES = { st: 'for one thread', mt: 'for several threads' };

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
  await together(
    ...Object.entries(ENGINES).map(([artifact, title]) => async () => {
      await step(`compiling the engine ${title} (Emscripten ${toolchain.version})`, async () => {
        await compile(root, `wasm-${artifact}`, toolchain.env);
        await collect(root, artifact, dist, toolchain.version);
      });
    }),
  );
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
 * @param {string} root
 * @param {string} artifact
 * @param {string} dist
 * @param {string} version of Emscripten
 */
async function collect(root, artifact, dist, version) {
  const name = `monoquant-${artifact}`;
  const built = join(root, 'build', `wasm-${artifact}`);
  const wasm = join(dist, 'wasm', `${name}.wasm`);
  copyFileSync(join(built, `${name}.wasm`), wasm);
  chmodSync(wasm, 0o644);
  let glue = readFileSync(join(built, `${name}.mjs`), 'utf8');
  if (artifact === 'mt' && compareVersions(version, LITERAL_OPTIONS_SINCE) < 0) {
    glue = withLiteralWorkerOptions(glue, name);
  }
  writeFileSync(join(dist, 'wasm', `${name}.mjs`), await minified(glue, name));
}

/**
 * Emscripten takes only the spaces out. The minifier writes all text as templates, and not every bundler looks
 * for a URL in one.
 * @param {string} glue
 * @param {string} name
 */
async function minified(glue, name) {
  // Loaded only here: when nothing changed, the build must not wait for it.
  const { minify } = await import('rolldown/utils');
  const { code, errors } = await minify(`${name}.mjs`, glue, { module: true });
  if (errors.length > 0) throw new BuildError(`${name}.mjs: ${errors[0]?.message}`);
  return code
    .replace(/new URL\(`([^`$]+)`,import\.meta\.url\)/g, 'new URL("$1",import.meta.url)')
    .replace(/(?<=,)\{type:`module`,workerData:`em-pthread`,name:`em-pthread`\}/, (options) =>
      options.replaceAll('`', '"'),
    );
}

/**
 * Bundlers find a worker only where `new Worker` has its URL and its options spelled out; older
 * Emscripten passes the options as a variable. Node reads `workerData`, browsers `type` and `name`.
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
