// Installs Debian 13's Emscripten into a folder of its own on Debian 12, with what it needs beside it.
// Why: Debian 12 ships 3.1.6, without ES-module pthreads, but has the LLVM that 3.1.69 is made for.
// Always: apt checks every signature, the machine's apt state stays as it is, half installs are unseen.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { aptGet } from './apt.mjs';
import { step, together } from './progress.mjs';
import { BuildError, run } from './run.mjs';

/** Debian 12's packages that Debian 13's Emscripten runs on. */
export const LLVM_PACKAGES = ['clang-19', 'lld-19', 'llvm-19', 'python3'];
const LLVM_ROOT = '/usr/lib/llvm-19/bin';
export const PYTHON = '/usr/bin/python3';

// Debian 12's Binaryen is too old; Emscripten's JavaScript optimizer imports acorn.
const NPM_PACKAGES = { binaryen: '120.0.0', acorn: '8.19.0' };

// Most of the package's 1.6 GB: libraries for dynamic linking and for optimising while linking, its own tests and
// its manual.
const LEFT_OUT = [
  'lib/wasm32-emscripten/lto',
  'lib/wasm32-emscripten/pic',
  'lib/wasm32-emscripten/lto-pic',
  'share/emscripten/test',
  'share/emscripten/docs',
  'share/emscripten/media',
  'share/doc',
  'share/man',
];

/** @param {string} folder an install */
export function emscriptenRoot(folder) {
  return join(folder, 'root', 'usr', 'share', 'emscripten');
}

/**
 * The place where Emscripten looks by itself, so that a developer's bare `ninja` works too.
 * @param {string} folder an install
 */
export function configFile(folder) {
  return join(emscriptenRoot(folder), '.emscripten');
}

/**
 * @param {string} folder to be made; everything happens in a sibling that is renamed at the end
 * @param {() => Promise<void>} installPackages LLVM_PACKAGES, which it runs on; done beside the download
 * @param {(root: string) => void} check throws when what was installed does not serve
 */
export async function installEmscripten(folder, installPackages, check) {
  const fresh = `${folder}.partial-${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  try {
    await together(
      () => fetchEmscripten(fresh),
      () => step('installing Binaryen for Emscripten', () => installNpmPackages(fresh)),
      installPackages,
    );
    writeFileSync(configFile(fresh), configuration(folder));
    check(emscriptenRoot(fresh));
    await tryOut(fresh);
    moveIntoPlace(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    removeAbandoned(folder);
  }
}

/** @param {string} folder that gets root/ */
async function fetchEmscripten(folder) {
  const archive = await step('downloading Emscripten from Debian 13 (237 MB)', () =>
    download(join(folder, 'apt')),
  );
  await step('unpacking Emscripten', () => unpack(archive, join(folder, 'root')));
  rmSync(join(folder, 'apt'), { recursive: true });
}

/**
 * @param {string} folder for apt's lists and the package
 * @returns {Promise<string>} the .deb file
 */
async function download(folder) {
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  const candidates = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'];
  const sources = candidates.find((file) => existsSync(file));
  if (sources === undefined) throw new BuildError('apt has no Debian sources in /etc/apt.');
  const newer = join(folder, basename(sources));
  writeFileSync(newer, readFileSync(sources, 'utf8').replaceAll('bookworm', 'trixie'));
  const settings = {
    'Dir::Etc::SourceList': newer,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'Acquire::Languages': 'none',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  const config = join(folder, 'apt.conf');
  writeFileSync(config, lines.join(''));
  const env = { ...process.env, APT_CONFIG: config, LC_ALL: 'C.UTF-8' };
  await aptGet(['update'], { env });
  await aptGet(['download', 'emscripten'], { env, cwd: folder });
  const archive = readdirSync(folder).find((name) => name.endsWith('.deb'));
  if (archive === undefined) throw new BuildError('apt-get download left no package.');
  return join(folder, archive);
}

/**
 * @param {string} archive
 * @param {string} folder
 */
async function unpack(archive, folder) {
  mkdirSync(folder);
  const pipe = 'set -o pipefail; dpkg --fsys-tarfile "$0" | tar -x "$@"';
  const excluded = LEFT_OUT.map((path) => `--exclude=*/${path}/*`);
  await run(['bash', '-c', pipe, archive, '-C', folder, ...excluded]);
}

/** @param {string} folder */
async function installNpmPackages(folder) {
  const manifest = { private: true, dependencies: NPM_PACKAGES };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
  await run(['npm', 'install', ...quiet], { cwd: folder, env: environmentForNpm() });
}

/**
 * Inside `npm install`, npm's own settings are in the environment: --global or --dry-run of the
 * outer command must not reach the inner one; where packages come from must.
 */
function environmentForNpm() {
  const kept =
    /^npm_config_(userconfig|globalconfig|registry|cache|ca|cafile|.*proxy|strict_ssl)$/i;
  const isOurs = (name) => !/^npm_/i.test(name) || kept.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isOurs(name)));
}

/**
 * Emscripten's configuration is a Python file.
 * @param {string} folder where the install will be
 */
function configuration(folder) {
  const settings = {
    LLVM_ROOT,
    BINARYEN_ROOT: join(folder, 'node_modules', 'binaryen'),
    NODE_JS: process.execPath,
    LLVM_ADD_VERSION: '',
    CLANG_ADD_VERSION: '',
  };
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = ${JSON.stringify(value)}`,
  );
  return [...lines, 'FROZEN_CACHE = True', ''].join('\n');
}

/** @param {string} folder */
async function tryOut(folder) {
  const env = { ...process.env, EM_CONFIG: configFile(folder), EMSDK_PYTHON: PYTHON };
  await run([join(emscriptenRoot(folder), 'emcc'), '--version'], { env });
  await run([process.execPath, join(folder, 'node_modules/binaryen/bin/wasm-opt'), '--version']);
}

/**
 * Another process may have installed the same meanwhile: then that one is used.
 * @param {string} fresh
 * @param {string} folder
 */
function moveIntoPlace(fresh, folder) {
  try {
    renameSync(fresh, folder);
  } catch (error) {
    if (!existsSync(emscriptenRoot(folder))) throw error;
  }
}

/**
 * Removes what interrupted installs left behind: siblings named after a process that is gone.
 * @param {string} folder
 */
function removeAbandoned(folder) {
  const parent = dirname(folder);
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent)) {
    const pid = /\.partial-(\d+)$/.exec(name)?.[1];
    if (!name.startsWith(`${basename(folder)}.`) || pid === undefined || isAlive(Number(pid))) {
      continue;
    }
    try {
      rmSync(join(parent, name), { recursive: true, force: true });
    } catch {
      // a child of the dead process still writes there
    }
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
