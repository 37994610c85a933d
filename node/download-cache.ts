/**
 * Where tools of Hugging Face keep what they have downloaded: a folder for each model, with `blobs`, the files by their
 * checksums, and `snapshots`, revisions made of links to them. Those tools own it: nothing is written there.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { isFolder } from './local-files.js';

export interface DownloadCache {
  /** The model's folder in it, such as `models--org--name`. */
  readonly folder: string;
  /** `name`. */
  readonly model: string;
}

/** The cache that a path leads into, whether something is there or not; undefined for all other places. */
export function cacheAround(path: string): DownloadCache | undefined {
  const whole = resolve(path);
  const folder = dirname(whole);
  if (folder === whole) return undefined;
  const isPart = ['blobs', 'snapshots'].includes(basename(folder));
  const model = dirname(folder);
  if (isPart && isFolder(join(model, 'blobs')) && isFolder(join(model, 'snapshots'))) {
    return { folder: model, model: basename(model).split('--').at(-1) ?? '' };
  }
  return cacheAround(folder);
}

/** Whether a path is a revision in a cache: a whole model. */
export function isRevision(path: string): boolean {
  return basename(dirname(resolve(path))) === 'snapshots' && cacheAround(path) !== undefined;
}
