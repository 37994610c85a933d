// What of others was compiled and linked into the engine.
// Why: the linker and the compilers know it, a list kept by hand does not.
// Always: a file that belongs to nobody known here stops the build.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { distinct, noticeOf } from './components.mjs';
import { hashFiles } from './hash.mjs';
import { BuildError, run } from './run.mjs';

/** @typedef {import('./components.mjs').Component} Component */

/** Who has written a file, by its path; the first that fits. */
const OWNERS = /** @type {const} */ ([
  [/\/(libmonoquant_core\.a|cpp\/(monoquant|bindings)\/|CMakeFiles\/)/, 'monoquant'],
  [/\/(libmonoquant_zlib\.a|zlib-sync\/deps\/zlib\/)/, 'zlib'],
  [/\/(libmonoquant_zstd\.a|zstd-napi\/deps\/zstd\/)/, 'zstd'],
  [/\/dependencies\/nlohmann\//, 'json'],
  [/\/(libc\+\+|libunwind|libcompiler_rt)[^/]*\.a|\/include\/c\+\+\/|\/clang\//, 'llvm'],
  [/\/lib(embind|emmalloc|stubs|noexit)\b[^/]*\.a|\/crt[^/]*\.o/, 'emscripten'],
  [/\/include\/(emscripten|compat|wasi|fakesdl)\//, 'emscripten'],
  [/\/libdlmalloc\b[^/]*\.a/, 'dlmalloc'],
  [/\/libc([-_][^/]*)?\.a|\/sysroot\/include\//, 'musl'],
]);

/**
 * @typedef {object} Place
 * @property {string} root the checkout
 * @property {string} tree a build tree
 * @property {string[]} files that were compiled in
 * @property {string} emscripten its folder
 * @property {string} version of Emscripten
 */

/** @type {Record<string, (place: Place) => Component>} */
const COMPONENTS = {
  zlib: ({ root }) => {
    const header = readFileSync(
      join(root, 'third_party/node_modules/zlib-sync/deps/zlib/zlib.h'),
      'utf8',
    );
    const version = found(/#define ZLIB_VERSION "([^"]+)"/, header);
    const notice = found(/^\/\*([\s\S]*?)\*\//, header)
      .replace(/^ {2}/gm, '')
      .trim();
    const sha256 = hashFiles(root, ['third_party/node_modules/zlib-sync/deps/zlib']);
    return { ...component('zlib', version, 'Zlib', 'https://zlib.net', notice), sha256 };
  },
  zstd: ({ root }) => {
    const folder = 'third_party/node_modules/zstd-napi/deps/zstd';
    const header = readFileSync(join(root, folder, 'lib/zstd.h'), 'utf8');
    const version = ['MAJOR', 'MINOR', 'RELEASE']
      .map((part) => found(new RegExp(`#define ZSTD_VERSION_${part} +(\\d+)`), header))
      .join('.');
    // It may also be had under the GPL: this is the licence that was chosen.
    const notice = noticeOf(join(root, folder, 'LICENSE'));
    const sha256 = hashFiles(root, [`${folder}/lib`]);
    const url = 'https://facebook.github.io/zstd/';
    return { ...component('zstd', version, 'BSD-3-Clause', url, notice), sha256 };
  },
  json: ({ root, tree, files }) => {
    const header = readFileSync(join(tree, 'dependencies/nlohmann/json.hpp'), 'utf8');
    const version = found(/\| {2}version (\d+\.\d+\.\d+)/, header);
    // Some of its headers were written by others.
    const headers = files.filter((file) => file.startsWith(join(tree, 'dependencies/nlohmann/')));
    const holders = headers.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/SPDX-FileCopyrightText: (.*)/g)].map(([, by]) => by),
    );
    const url = 'https://github.com/nlohmann/json';
    const sha256 = hashFiles(tree, ['dependencies/nlohmann']);
    return {
      ...component('nlohmann/json', version, 'MIT', url, mit(root, ...new Set(holders))),
      sha256,
    };
  },
  emscripten: ({ root, emscripten, version }) => {
    const header = readFileSync(join(emscripten, 'system/include/emscripten/bind.h'), 'utf8');
    const holder = found(/Copyright (\d+ The Emscripten Authors)/, header);
    return component('Emscripten', version, 'MIT', 'https://emscripten.org', mit(root, holder));
  },
  musl: ({ emscripten, version }) => {
    const notice = noticeOf(join(emscripten, 'system/lib/libc/musl/COPYRIGHT'));
    return component('musl', `of Emscripten ${version}`, 'MIT', 'https://musl.libc.org', notice);
  },
  llvm: ({ version }) =>
    component(
      'LLVM libraries (libc++, libc++abi, compiler-rt)',
      `of Emscripten ${version}`,
      'Apache-2.0 WITH LLVM-exception',
      'https://llvm.org/LICENSE.txt',
      'Copyright the LLVM project and its contributors. The LLVM exceptions permit to pass on what a compiler\n' +
        'has put into its output without the text of the licence, which is at the address above.',
    ),
  dlmalloc: ({ version }) =>
    component(
      'dlmalloc',
      `of Emscripten ${version}`,
      'CC0-1.0',
      'https://gee.cs.oswego.edu/pub/misc/malloc.c',
      'Written by Doug Lea and released to the public domain.',
    ),
};

/**
 * @param {string} root the checkout
 * @param {string} tree a build tree
 * @param {readonly string[]} artifacts that were linked in it
 * @param {import('./toolchain.mjs').Toolchain} toolchain
 * @returns {Promise<Component[]>}
 */
export async function compiledIn(root, tree, artifacts, toolchain) {
  const linked = artifacts.flatMap((artifact) => linkedInto(tree, artifact));
  const dependencies = await run(['ninja', '-C', tree, '-t', 'deps'], { env: toolchain.env });
  const included = [...dependencies.matchAll(/^ {4}(.+)$/gm)].map(([, file]) => file);
  // Paths of the build tree may be relative to it. Tests may have been built there, too: they are in no engine.
  const tests = join(root, 'cpp', 'tests');
  const files = new Set(
    [...linked, ...included]
      .map((file) => resolve(tree, file))
      .filter((file) => !file.startsWith(tests)),
  );
  const owners = new Set([...files].map(ownerOf));
  // The glue is Emscripten's.
  owners.add('emscripten').delete('monoquant');
  const place = {
    root,
    tree,
    files: [...files].sort(),
    emscripten: toolchain.root,
    version: toolchain.version,
  };
  return distinct([...owners].map((owner) => COMPONENTS[owner](place)));
}

/**
 * @param {string} tree
 * @param {string} artifact
 */
function linkedInto(tree, artifact) {
  const map = readFileSync(join(tree, `monoquant-${artifact}.map`), 'utf8');
  const files = [...map.matchAll(/(\S+\.(?:a|o))(?:\([^)]*\))?:\(/g)].map(([, file = '']) => file);
  if (files.length === 0) throw new BuildError(`The linker's map of ${artifact} names no file.`);
  return files;
}

/** @param {string} file */
function ownerOf(file) {
  const owner = OWNERS.find(([pattern]) => pattern.test(file))?.[1];
  if (owner !== undefined) return owner;
  throw new BuildError(
    `The engine contains ${file}. Say in scripts/compiled-in.mjs who has written it and under which licence.`,
  );
}

/**
 * @param {string} name
 * @param {string} version
 * @param {string} license
 * @param {string} url
 * @param {string} notice
 * @returns {Component}
 */
function component(name, version, license, url, notice) {
  const [id = ''] = name.toLowerCase().split(' ');
  const purl = `pkg:generic/${id}@${encodeURIComponent(version)}`;
  return { name, version, license, url, purl, notice };
}

/**
 * The licence that this project has, too, with other holders.
 * @param {string} root
 * @param {...string} holders
 */
function mit(root, ...holders) {
  const lines = holders.map((holder) => `Copyright (c) ${holder}`).join('\n');
  return noticeOf(join(root, 'LICENSE')).replace(/^Copyright .*$/m, lines);
}

/**
 * @param {RegExp} pattern
 * @param {string} text
 */
function found(pattern, text) {
  const match = pattern.exec(text)?.[1];
  if (match === undefined) throw new BuildError(`Expected ${pattern} in a header, found none.`);
  return match;
}
