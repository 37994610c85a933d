// Finds an Emscripten that is new enough, or installs one into a per-user cache where it can.
// Why: the build must work on a fresh clone, whoever provides Emscripten, and say what is missing.
// Always: what is returned runs; with everything in place it costs two or three file look-ups.
//
// By hand: eval "$(node scripts/toolchain.mjs)", then cmake --preset wasm-st

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { ensurePackages } from './apt.mjs';
import {
  configFile,
  emscriptenRoot,
  installEmscripten,
  LLVM_PACKAGES,
  PYTHON,
} from './emscripten.mjs';
import { together } from './progress.mjs';
import { BuildError, findOnPath, isMain, runMain } from './run.mjs';
import { ensureThirdParty } from './third-party.mjs';

const MINIMUM_VERSION = '3.1.69';
const CACHE_NAME = `emscripten-${MINIMUM_VERSION}`;
const WHY = "monoquant's WebAssembly build";

// What the build needs, whoever provides Emscripten.
const BUILD_PACKAGES = ['cmake', 'ninja-build', 'nlohmann-json3-dev'];

const HOW_TO_INSTALL =
  `${WHY} needs Emscripten ${MINIMUM_VERSION} or newer on PATH: apt-get install emscripten ` +
  '(Debian 13), brew install emscripten (macOS), or emsdk: git clone its repository ' +
  '(emscripten-core/emsdk), ./emsdk install latest, ./emsdk activate latest, ' +
  'source ./emsdk_env.sh. On Debian 12 it installs itself.';

/**
 * @typedef {object} Toolchain
 * @property {string} version such as "3.1.69"
 * @property {string} root the folder that holds emcc, em++ and cmake/
 * @property {string} toolchainFile Emscripten.cmake
 * @property {NodeJS.ProcessEnv} env what CMake, ninja and emcc are to be run with
 */

/**
 * Everything that `cmake --preset wasm-*` and the build after it need.
 * @returns {Promise<Toolchain>}
 */
export async function ensureEmscripten() {
  const found = findInstalled();
  if (found === undefined) return ensureCached();
  const hasTools = findOnPath('cmake') !== undefined && findOnPath('ninja') !== undefined;
  const isDebian = findOnPath('dpkg-query') !== undefined;
  if (isDebian || !hasTools) await ensurePackages(BUILD_PACKAGES, WHY);
  return found;
}

/** An emcc on PATH (emsdk, Homebrew, Debian 13) that is new enough. */
function findInstalled() {
  const emcc = findOnPath('emcc');
  if (emcc === undefined) return undefined;
  // A version file beside the real emcc is read at once; asking emcc takes half a second.
  const besideEmcc = dirname(realpathSync(emcc));
  const root = existsSync(join(besideEmcc, 'emscripten-version.txt'))
    ? besideEmcc
    : spawnSync('em-config', ['EMSCRIPTEN_ROOT'], { encoding: 'utf8' }).stdout?.trim();
  if (!root || !existsSync(toolchainFile(root))) return undefined;
  return isNewEnough(readVersion(root)) ? describe(root, {}) : undefined;
}

/** The install in the per-user cache; made now if there is none and this is Debian 12. */
async function ensureCached() {
  const folder = cacheFolder();
  const root = emscriptenRoot(folder);
  if (!existsSync(root) && debianRelease() !== 'bookworm') throw new BuildError(HOW_TO_INSTALL);
  const installPackages = () => ensurePackages([...BUILD_PACKAGES, ...LLVM_PACKAGES], WHY);
  if (existsSync(root)) await installPackages();
  else await installEmscripten(folder, installPackages, requireNewEnough);
  // Debian's launchers take python3 and node from PATH or from these.
  return describe(root, {
    EM_CONFIG: configFile(folder),
    EM_NODE_JS: process.execPath,
    EMSDK_PYTHON: PYTHON,
    PATH: [process.env.PATH, dirname(process.execPath)].filter(Boolean).join(delimiter),
  });
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} variables
 * @returns {Toolchain}
 */
function describe(root, variables) {
  const file = toolchainFile(root);
  const env = { ...process.env, ...variables, EMSCRIPTEN_TOOLCHAIN_FILE: file };
  return { version: readVersion(root), root, toolchainFile: file, env };
}

function debianRelease() {
  try {
    return /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME || join(process.env.HOME || homedir(), '.cache');
  return join(base, 'monoquant', CACHE_NAME);
}

/** @param {string} root */
function toolchainFile(root) {
  return join(root, 'cmake', 'Modules', 'Platform', 'Emscripten.cmake');
}

/** @param {string} root */
function readVersion(root) {
  const text = readFileSync(join(root, 'emscripten-version.txt'), 'utf8');
  return /\d+\.\d+\.\d+/.exec(text)?.[0] ?? '0.0.0';
}

/** @param {string} root */
function requireNewEnough(root) {
  const version = readVersion(root);
  if (isNewEnough(version)) return;
  throw new BuildError(`Debian 13's Emscripten turned out to be ${version}. ${HOW_TO_INSTALL}`);
}

/** @param {string} version */
function isNewEnough(version) {
  return compareVersions(version, MINIMUM_VERSION) >= 0;
}

/**
 * @param {string} a
 * @param {string} b
 * @returns {number} negative, zero or positive, as a sort wants it
 */
export function compareVersions(a, b) {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < 3; i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

if (isMain(import.meta)) {
  await runMain(async () => {
    const [{ env }] = await together(ensureEmscripten, ensureThirdParty);
    for (const name of ['EMSCRIPTEN_TOOLCHAIN_FILE', 'EM_CONFIG', 'EM_NODE_JS', 'EMSDK_PYTHON']) {
      if (env[name] !== undefined) console.log(`export ${name}='${env[name]}'`);
    }
  });
}
