// One hash over the names and contents of files.
// Why: the build must know whether anything changed, and a checkout does not keep file times.
// Always: the same files give the same hash, whatever the order in which a folder is listed.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {string} root
 * @param {string[]} inputs files and folders in it; those that do not exist count as absent
 */
export function hashFiles(root, inputs) {
  const hash = createHash('sha256');
  for (const path of inputs.flatMap((input) => listFiles(root, input))) {
    const content = readFileSync(join(root, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/**
 * @param {string} root
 * @param {string} path
 * @returns {Map<string, string>} the hash of each file
 */
export function hashEach(root, path) {
  return new Map(listFiles(root, path).map((file) => [file, hashFiles(root, [file])]));
}

/**
 * @param {string} root
 * @param {string} path
 * @returns {string[]} the file itself, or all files below the folder, relative to root
 */
function listFiles(root, path) {
  const absolute = join(root, path);
  if (!existsSync(absolute)) return [];
  if (!statSync(absolute).isDirectory()) return [path];
  const names = readdirSync(absolute).sort();
  return names.flatMap((name) => listFiles(root, `${path}/${name}`));
}
