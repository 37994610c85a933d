// What others have written and dist/ holds: names, versions, licences, and the notices that these ask for.
// Why: whoever passes on compiled or bundled code has to pass on its notices.
// Always: a list is made from what a compiler or a bundler says it has put in; what has no notice is an error.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BuildError } from './run.mjs';

/**
 * @typedef {object} Component
 * @property {string} name
 * @property {string} version
 * @property {string} license as SPDX writes it
 * @property {string} url where it comes from
 * @property {string} purl its name in bills of materials
 * @property {string} notice the text that goes with it
 * @property {string} [sha256] of the sources that were compiled in, if they may come from anywhere
 */

const FOLDER = 'components';

/** @param {string} part of the build */
export function componentsFile(part) {
  return `${FOLDER}/${part}.json`;
}

/**
 * @param {string} dist
 * @param {string} part
 * @param {Component[]} components
 */
export function writeComponents(dist, part, components) {
  const file = join(dist, componentsFile(part));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(components, undefined, 2)}\n`);
}

/**
 * @param {string} dist
 * @param {...string} parts
 * @returns {Component[]} each once, by name
 */
export function readComponents(dist, ...parts) {
  const all = parts.flatMap((part) =>
    JSON.parse(readFileSync(join(dist, componentsFile(part)), 'utf8')),
  );
  return distinct(all);
}

/** @param {Component[]} components */
export function distinct(components) {
  const byPurl = new Map(components.map((each) => [each.purl, each]));
  return [...byPurl.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * The npm packages that modules of a bundle come from.
 * @param {string} root the checkout
 * @param {Iterable<string>} modules paths, and names that bundlers give to code of their own
 * @returns {Component[]}
 */
export function bundledPackages(root, modules) {
  const names = new Set();
  for (const module of modules) {
    const path = module.replaceAll('\\', '/');
    const name =
      /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ??
      /^\0(rolldown|vite)\//.exec(path)?.[1];
    if (name !== undefined) names.add(name);
  }
  return [...names].sort().map((name) => packageComponent(join(root, 'node_modules', name)));
}

/** @param {string} root @returns {Component[]} what the package that runs language models holds of others */
export function withinWllama(root) {
  const folder = join(root, 'node_modules/@wllama/wllama');
  const code = readFileSync(join(folder, 'src/workers-code/generated.ts'), 'utf8');
  const version = /LIBLLAMA_VERSION = '([^']+)'/.exec(code)?.[1];
  if (version === undefined) throw new BuildError('wllama does not say which llama.cpp it holds.');
  return [
    packageComponent(join(root, 'node_modules/@huggingface/jinja')),
    {
      name: 'llama.cpp',
      version,
      license: 'MIT',
      url: 'https://github.com/ggml-org/llama.cpp',
      purl: `pkg:github/ggml-org/llama.cpp@${version.split('-')[0]}`,
      notice: noticeOf(join(root, 'third_party/notices/llama.cpp.txt')),
    },
  ];
}

/**
 * @param {string} folder of an installed package
 * @returns {Component}
 */
function packageComponent(folder) {
  const { name, version, license, homepage } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  );
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const notice = files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n');
  if (typeof license !== 'string' || !/copyright/i.test(notice)) {
    throw new BuildError(`The bundle holds ${name} ${version}, which has no licence notice.`);
  }
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const url = homepage ?? `https://www.npmjs.com/package/${name}`;
  // Bundlers list here whom they bundle themselves; of those nothing is in what they make.
  const [own = ''] = notice.split(/^#+ Licenses of bundled dependencies/m);
  return { name, version, license, url, purl, notice: own.trim() };
}

const LINE = '-'.repeat(80);

/**
 * @param {Component[]} components
 * @param {string} what is passed on, as a sentence begins
 */
export function noticesText(components, what) {
  const sections = components.map(({ name, version, license, url, notice }) =>
    [LINE, `${name} ${version}`, `${license}, ${url}`, LINE, '', notice, ''].join('\n'),
  );
  const start = `${what} monoquant (MIT) and code of others:`;
  const list = components.map(({ name, version, license }) => `  ${name} ${version}: ${license}`);
  return [start, '', ...list, '', ...sections].join('\n');
}

/**
 * Writes the notices of the package.
 * @param {string} _root
 * @param {string} dist
 */
export async function buildNotices(_root, dist) {
  const text = noticesText(readComponents(dist, 'wasm', 'ts'), 'This package holds');
  writeFileSync(join(dist, 'THIRD_PARTY.txt'), text);
}

/**
 * A plugin for Rolldown and Vite that tells what was bundled.
 * @param {string} root
 * @param {(components: Component[]) => {fileName: string, source: string} | undefined} use may give a file to be emitted
 */
export function bundledComponents(root, use) {
  return {
    name: 'bundled-components',
    /**
     * @param {unknown} _options
     * @param {Record<string, any>} bundle
     */
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((output) => Object.keys(output.modules ?? {}));
      const file = use(bundledPackages(root, modules));
      if (file !== undefined) this.emitFile({ type: 'asset', ...file });
    },
  };
}

/**
 * @param {string} path
 * @returns {string} without spaces around it
 */
export function noticeOf(path) {
  if (!existsSync(path)) throw new BuildError(`Expected a licence notice in ${path}, found none.`);
  return readFileSync(path, 'utf8').trim();
}
