// Checks who uses whom: a room uses rooms on lower floors only, and no file uses itself in a circle.
// Why: a rule that nothing checks is a wish.
// Always: every source file is in a room; one that is in none fails.
//
// node scripts/arrows.mjs [CHECKOUT]

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { BuildError, runMain } from './run.mjs';

/**
 * @typedef {object} House
 * @property {RegExp} source names of its files
 * @property {RegExp} use finds what a file uses, in its first group
 * @property {(file: string, used: string) => string[]} places where what is used may be, in this checkout
 * @property {string[][]} floors from the top: folders, the innermost one counts
 */

/** @type {House[]} */
const HOUSES = [
  {
    source: /^cpp\/.*\.(cc|h)$/,
    use: /^#include "([^"]+)"/gm,
    places: (file, used) => [
      join('cpp', used),
      join('cpp/tests', used),
      join('cpp/fuzz', used),
      join(dirname(file), used),
    ],
    floors: [
      ['cpp/fuzz', 'cpp/bench', 'cpp/bindings'],
      ['cpp/tests'],
      ['cpp/monoquant/run', 'cpp/monoquant/search'],
      ['cpp/monoquant/plan'],
      [
        'cpp/monoquant/layout',
        'cpp/monoquant/calibration',
        'cpp/monoquant/execute',
        'cpp/monoquant/llama_cpp',
      ],
      ['cpp/monoquant/catalog'],
      ['cpp/monoquant/torch', 'cpp/monoquant/quant'],
      ['cpp/monoquant/container', 'cpp/monoquant/parallel'],
      ['cpp/monoquant/base'],
    ],
  },
  {
    source: /^(js|node|web)\/.*(?<!\.d)\.tsx?$/,
    use: /(?:\bfrom|\bimport) ?\(?'(\.[^']+)'/g,
    places: (file, used) => {
      const path = join(dirname(file), used).replace(/\.js$/, '');
      return [`${path}.ts`, `${path}.tsx`];
    },
    floors: [
      ['web/page', 'node/cli'],
      ['node', 'web/engine', 'web/page/network'],
      ['js/session', 'js/words', 'node/url'],
      ['js/report'],
      ['js/worker'],
      ['js/engine', 'js/url'],
      ['js/io'],
      ['js/api'],
    ],
  },
];

/**
 * Rooms that use less than all that is below them. The page imports the package by its name, as its users do, and shares
 * words only, and what it says to the one part of the site that reaches the network; calls and verdicts move no bytes.
 * What llama.cpp expects of a model follows from names and texts: no weight, no checkpoint. A search sees numbers only.
 * @type {Record<string, string[]>}
 */
const ONLY = {
  'cpp/monoquant/llama_cpp': [
    'cpp/monoquant/catalog',
    'cpp/monoquant/container',
    'cpp/monoquant/base',
  ],
  'cpp/monoquant/search': ['cpp/monoquant/base'],
  'web/page': ['js/words', 'web/page/network'],
  'web/page/network': ['js/url', 'js/io', 'js/api'],
  'js/session': ['js/report', 'js/worker', 'js/engine', 'js/api'],
  'js/words': ['js/api'],
  'node/url': ['js/url', 'js/io', 'js/api'],
  'js/report': ['js/worker', 'js/engine', 'js/api'],
};

/** Wings of the house: one runs in Node, one in browsers. */
const WINGS = ['node', 'web'];

await runMain(async () => {
  const root = process.argv[2] ?? join(import.meta.dirname, '..');
  const faults = HOUSES.flatMap((house) => faultsIn(house, filesOf(root, house)));
  if (faults.length > 0) throw new BuildError(faults.join('\n'));
});

/**
 * @param {string} root
 * @param {House} house
 * @returns {Map<string, string>} texts by path
 */
function filesOf(root, { source, floors }) {
  const folders = new Set(floors.flat().map((room) => room.split('/')[0] ?? ''));
  const paths = [...folders]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).map((entry) =>
        relative(root, join(entry.parentPath, entry.name)),
      ),
    )
    .filter((path) => source.test(path));
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

/**
 * @param {House} house
 * @param {ReadonlyMap<string, string>} files texts by path
 * @returns {string[]} a sentence each
 */
function faultsIn(house, files) {
  const faults = [];
  /** @type {Map<string, string[]>} */
  const uses = new Map();
  for (const [file, text] of files) {
    const room = roomOf(house, file);
    if (room === undefined) {
      faults.push(`${file}: in no room; scripts/arrows.mjs lists them.`);
      continue;
    }
    const used = [...text.matchAll(house.use)]
      .map(([, name = '']) =>
        house
          .places(file, name)
          .map(normalize)
          .find((at) => files.has(at)),
      )
      .filter((path) => path !== undefined);
    uses.set(file, used);
    for (const path of used) {
      const other = roomOf(house, path);
      if (other !== undefined && other !== room && !mayUse(house, room, other)) {
        faults.push(`${file}: ${room} may not use ${other} (${path}).`);
      }
    }
  }
  const circle = circleIn(uses);
  if (circle !== undefined) faults.push(`In a circle: ${circle.join(' -> ')}`);
  return faults;
}

/**
 * @param {House} house
 * @param {string} file
 */
function roomOf({ floors }, file) {
  return floors
    .flat()
    .filter((room) => file.startsWith(`${room}/`))
    .sort((one, other) => other.length - one.length)[0];
}

/**
 * @param {House} house
 * @param {string} room
 * @param {string} other
 */
function mayUse({ floors }, room, other) {
  const only = ONLY[room];
  if (only !== undefined) return only.includes(other);
  if (WINGS.every((wing) => [room, other].some((name) => name.startsWith(wing)))) return false;
  const floorOf = (/** @type {string} */ name) => floors.findIndex((floor) => floor.includes(name));
  return floorOf(room) < floorOf(other);
}

/**
 * @param {ReadonlyMap<string, readonly string[]>} uses
 * @returns {string[] | undefined} files of which each uses the next, the first one again at the end
 */
function circleIn(uses) {
  const done = new Set();
  /** @type {string[]} */
  const path = [];
  /** @type {(file: string) => string[] | undefined} */
  const visit = (file) => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of uses.get(file) ?? []) {
      const circle = visit(next);
      if (circle !== undefined) return circle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of uses.keys()) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
