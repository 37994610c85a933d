/**
 * What a model behind a URL is called: which URLs are read, whether one names a file or a folder, how messages and
 * outputs name it.
 * Pure: nothing is asked of a server here.
 */
import { isIndexName } from '../api/model-files.js';
import { hubPlace } from './hub.js';

export interface Address {
  /** Of the file, or of the folder, which ends in `/`. */
  readonly url: URL;
  readonly kind: 'file' | 'index' | 'folder';
  /** What the file or the folder is called; a plain name, whatever a server calls it. */
  readonly name: string;
}

/** The address, if something is named by an http: or https: URL; undefined for all else. */
export function addressOf(named: unknown): Address | undefined {
  const text = named instanceof URL ? named.href : named;
  const given = typeof text === 'string' && /^https?:\/\//i.test(text) ? parsed(text) : undefined;
  if (given === undefined) return undefined;
  given.hash = '';
  const place = hubPlace(given);
  const url = place?.url ?? given;
  const last = lastOf(url.pathname);
  if (isFileName(last)) {
    return { url, kind: isIndexName(last) ? 'index' : 'file', name: plain(last) };
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  const name = place?.name ?? lastOf(url.pathname.slice(0, -1));
  return { url, kind: 'folder', name: plain(name === '' ? url.hostname : name) };
}

/** The folder that a file is in. */
export function folderAround({ url, kind }: Address): URL {
  return kind === 'folder' ? url : fileIn(url, '');
}

/** A file beside another, or in a folder. What a URL asks for beyond its path holds for its neighbours, too. */
export function fileIn(folder: URL, name: string): URL {
  const url = new URL('.', folder);
  url.pathname += encodeURIComponent(name);
  url.username = folder.username;
  url.password = folder.password;
  url.search = folder.search;
  return url;
}

/** As messages have it: without what somebody signs in with. */
export function spoken(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function parsed(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** The ending of a version, as in `Llama-3.1`, is none. */
function isFileName(name: string): boolean {
  return /\.[a-z]\w*$/i.test(name);
}

function lastOf(path: string): string {
  const last = path.slice(path.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** What can be the name of a file anywhere. */
function plain(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a name must not have
  const safe = name.replace(/[\u0000-\u001f\\/:*?"<>|]/g, '_');
  return /^\.*$/.test(safe) ? 'model' : safe;
}
