/**
 * A file behind a URL: what is known of it from the first answer on.
 * It is read in parts if its server can do that, or held in memory if it is small.
 */
import { aborted } from './aborted.js';
import { spoken } from './address.js';
import type { Answer, Client, Environment } from './client.js';
import { notDownloadable, statusFailure } from './failures.js';
import { patiently, retryAfter } from './hitch.js';

/** Read in parts. All of it survives structured cloning. */
export interface RemoteFile {
  readonly url: string;
  /** How messages name it. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** What tells whether it is still the same. */
  readonly version: Version;
  /** How it is asked for. */
  readonly environment: Environment;
}

/** Read whole, once. The memory is shared among threads, where there are any. */
export interface RemoteBytes {
  readonly path: string;
  readonly size: number;
  readonly bytes: Uint8Array;
}

export type Remote = RemoteFile | RemoteBytes;

/** A strong ETag, which changes with every byte; or the date of the last change, to be taken together with the size. */
export type Version = { readonly etag: string } | { readonly modified: string };

/** What a server that sends nothing but whole files may send. */
export const MOST_WHOLE_BYTES = 64 << 20;

/** Opens what is at `url`. Throws if it is not there, or cannot be read piece by piece. */
export function openRemote(url: URL, client: Client, signal?: AbortSignal): Promise<Remote> {
  return patiently(client.surroundings, signal, async () =>
    remoteOf(url, await askFor(url, client, signal), client, signal),
  );
}

/** The same for what may not be there: then it is undefined. */
export function openIfThere(
  url: URL,
  client: Client,
  signal?: AbortSignal,
): Promise<Remote | undefined> {
  return patiently(client.surroundings, signal, async () => {
    const answer = await askFor(url, client, signal);
    if (!isNoFile(answer)) return remoteOf(url, answer, client, signal);
    answer.discard();
    return undefined;
  });
}

function askFor(url: URL, client: Client, signal: AbortSignal | undefined): Promise<Answer> {
  return client.get(client.locationOf(url), { range: 'bytes=0-0' }, signal);
}

async function remoteOf(
  url: URL,
  answer: Answer,
  client: Client,
  signal: AbortSignal | undefined,
): Promise<Remote> {
  const { status } = answer;
  const range = answer.header('content-range');
  if (status === 200) return readWhole(url, answer, client, WITHOUT_PARTS, signal);
  answer.discard();
  // No byte is the first one of a file that has none.
  if (status === 416 && range === 'bytes */0') return bytesOf(url, []);
  if (status !== 206) throw failureOf(url, answer, client);
  // A page may see only what the server lets it see.
  if (range === undefined) return askForWhole(url, client, WITHOUT_SIZE, signal);
  checkPlain(url, answer);
  const size = sizeOf(url, answer);
  const version = versionOf(answer);
  if (version !== undefined) {
    return { url: url.href, path: spoken(url), size, version, environment: client.environment };
  }
  if (size > MOST_WHOLE_BYTES) {
    throw notDownloadable(
      url,
      'the server sends neither a strong ETag nor a date, so that nobody could tell whether it changes on the way',
    );
  }
  return askForWhole(url, client, WITHOUT_PARTS, signal);
}

/** What comes with one answer is of one version. */
async function askForWhole(
  url: URL,
  client: Client,
  why: string,
  signal: AbortSignal | undefined,
): Promise<RemoteBytes> {
  const whole = await client.get(client.locationOf(url), {}, signal);
  if (whole.status === 200) return readWhole(url, whole, client, why, signal);
  whole.discard();
  throw failureOf(url, whole, client);
}

/**
 * Stores of objects forbid what they do not have, to those who may not list them; and some servers have a page for
 * everything.
 */
function isNoFile(answer: Answer): boolean {
  const { status } = answer;
  const isPage = /^text\/html\b/i.test(answer.header('content-type') ?? '');
  return [403, 404, 410].includes(status) || (status < 300 && isPage);
}

function sizeOf(url: URL, answer: Answer): number {
  const [, begin, , total] = partOf(answer) ?? [];
  if (begin === 0 && total !== undefined) return total;
  throw notDownloadable(url, 'the server does not say which part it sends, and of how many bytes');
}

/** `bytes 0-99/1000`: begin, end and total. */
export function partOf(
  answer: Answer,
): readonly [text: string, begin: number, end: number, total: number] | undefined {
  const text = answer.header('content-range') ?? '';
  const [, begin, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(text) ?? [];
  if (begin === undefined) return undefined;
  return [text, Number(begin), Number(last) + 1, Number(total)];
}

function versionOf(answer: Answer): Version | undefined {
  const etag = answer.header('etag');
  const modified = answer.header('last-modified');
  if (etag?.startsWith('"')) return { etag };
  return modified === undefined ? undefined : { modified };
}

export function isVersion(version: Version, answer: Answer): boolean {
  if ('etag' in version) return answer.header('etag') === version.etag;
  return answer.header('last-modified') === version.modified;
}

/** Throws if the body is not the file as it is. */
export function checkPlain(url: URL, answer: Answer): void {
  const encoding = answer.header('content-encoding');
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw notDownloadable(
    url,
    `the server sends it packed (${encoding}), although it was asked not to`,
  );
}

/** What an answer means that has nothing of the file. */
export function failureOf(url: URL, answer: Answer, client: Client) {
  const waitMs = retryAfter(answer.header('retry-after'), client.surroundings.now());
  return statusFailure(url, answer.status, waitMs, client.signIn(url));
}

const WITHOUT_PARTS = 'the server sends only all of it at once';
const WITHOUT_SIZE = 'the server does not say which part it sends, and of how many bytes';

/** `why` it is not read in parts. */
async function readWhole(
  url: URL,
  answer: Answer,
  client: Client,
  why: string,
  signal: AbortSignal | undefined,
): Promise<RemoteBytes> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    checkPlain(url, answer);
    checkSmall(url, Number(answer.header('content-length') ?? 0), why);
    for await (const chunk of answer.body()) {
      chunks.push(chunk);
      size += chunk.length;
      checkSmall(url, size, why);
    }
  } catch (error) {
    answer.discard();
    throw signal?.aborted ? aborted(signal) : client.lost(url, error);
  }
  return bytesOf(url, chunks);
}

function checkSmall(url: URL, size: number, why: string): void {
  if (size <= MOST_WHOLE_BYTES) return;
  throw notDownloadable(url, `${why}; it has more than ${MOST_WHOLE_BYTES >> 20} MiB`);
}

function bytesOf(url: URL, chunks: readonly Uint8Array[]): RemoteBytes {
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  // Pages have shared memory only if they are isolated.
  const isShareable = typeof SharedArrayBuffer === 'function';
  const bytes = new Uint8Array(isShareable ? new SharedArrayBuffer(size) : new ArrayBuffer(size));
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return { path: spoken(url), size, bytes };
}
