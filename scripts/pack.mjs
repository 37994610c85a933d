// Packs what is published: the built package, with a package.json that says nothing of the checkout.
// Why: whoever installs it has no use for its scripts and tools, and npm would ask to approve them.
// Always: the files are those that package.json lists, copied anew; the checkout itself cannot be published.
//
// node scripts/pack.mjs [--to FOLDER] [--json]     writes the tarball there; --json lists what is in it
// node scripts/pack.mjs --stage FOLDER [--release]     leaves the folder that npm packs; --release builds before that,
//                                                      and refuses what must not be published

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BuildError, isMain, run, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
/** What only the checkout needs; `private` keeps it from being published. */
const OF_CHECKOUT = ['private', 'scripts', 'devDependencies', 'allowScripts'];
/** Where a registry sends people, and what it proves the origin of a package with. */
const ADDRESSES = ['repository', 'homepage', 'bugs'];

/** @typedef {{filename: string, size: number, files: {path: string, size: number, mode: number}[]}} Packed */
/** @typedef {Record<string, unknown> & {name: string, repository?: {url?: string}}} Manifest */

if (isMain(import.meta)) await runMain(main);

async function main() {
  const { values } = parseArgs({
    options: {
      to: { type: 'string', default: '.' },
      json: { type: 'boolean' },
      stage: { type: 'string' },
      release: { type: 'boolean' },
    },
  });
  if (values.release) await prepareRelease();
  if (values.stage !== undefined) return stage(resolve(values.stage));
  const packed = await pack(resolve(values.to));
  const path = join(values.to, packed.filename);
  process.stdout.write(`${values.json ? JSON.stringify(packed) : path}\n`);
}

async function prepareRelease() {
  const manifest = readManifest();
  checkAddresses(manifest);
  await checkName(manifest);
  for (const words of [['scripts/build.mjs'], ['scripts/bom.mjs', '--release']]) {
    await run([process.execPath, ...words], { cwd: ROOT });
  }
}

/**
 * Makes the tarball of what is built.
 * @param {string} folder where to
 * @returns {Promise<Packed>}
 */
export async function pack(folder) {
  const staged = mkdtempSync(join(tmpdir(), 'monoquant-pack-'));
  try {
    await stage(staged);
    return await npmPack(staged, '--pack-destination', folder);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

/** @param {string} folder */
async function stage(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { path } of (await npmPack(ROOT, '--dry-run')).files) {
    cpSync(join(ROOT, path), join(folder, path));
  }
  const manifest = published(readManifest());
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * @param {string} cwd
 * @param {string[]} words
 * @returns {Promise<Packed>}
 */
async function npmPack(cwd, ...words) {
  const json = await run(['npm', 'pack', '--ignore-scripts', '--json', ...words], { cwd });
  return JSON.parse(json)[0];
}

/** @returns {Manifest} */
function readManifest() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
}

/** @param {Manifest} manifest */
function published(manifest) {
  return Object.fromEntries(Object.entries(manifest).filter(([key]) => !OF_CHECKOUT.includes(key)));
}

/** @param {Manifest} manifest */
function checkAddresses(manifest) {
  const missing = ADDRESSES.filter((key) => !(key in manifest));
  if (missing.length === 0) return;
  throw new BuildError(
    `Expected ${ADDRESSES.join(', ')} in package.json before anything is published, found no ${missing.join(', no ')}.\n` +
      'Write the address of the public repository into package.json.',
  );
}

/**
 * Whether the name is free on the registry, or ours.
 * @param {Manifest} manifest
 */
async function checkName({ name, repository }) {
  let answer;
  try {
    answer = await run(['npm', 'view', name, 'repository.url']);
  } catch (error) {
    if (error instanceof BuildError && error.message.includes('E404')) return;
    throw error;
  }
  if (plain(answer) === plain(repository?.url ?? '')) return;
  throw new BuildError(
    `The name ${name} belongs to another package on the registry: ${answer.trim() || 'one without a repository'}.\n` +
      'Choose another name, such as one with a scope.',
  );
}

/** @param {string} url of a repository */
function plain(url) {
  return url.trim().replace(/^git\+|\.git$/g, '');
}
