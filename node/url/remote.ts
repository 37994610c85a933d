/**
 * A file behind a URL: what is known of it from the first answer on.
 * It is read in parts if its server can do that, or held in memory if it is small.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { aborted } from './aborted.js';
import { spoken } from './address.js';
import { type Answer, discard, type UrlClient } from './client.js';
import type { Environment } from './environment.js';
import { connectionLost, notDownloadable, statusFailure } from './failures.js';
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

/** Read whole, once. The memory is shared among threads. */
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
export function openRemote(url: URL, client: UrlClient, signal?: AbortSignal): Promise<Remote> {
  return patiently(client.surroundings, signal, async () =>
    remoteOf(url, await askFor(url, client, signal), client, signal),
  );
}

/** The same for what may not be there: then it is undefined. */
export function openIfThere(
  url: URL,
  client: UrlClient,
  signal?: AbortSignal,
): Promise<Remote | undefined> {
  return patiently(client.surroundings, signal, async () => {
    const answer = await askFor(url, client, signal);
    if (!isNoFile(answer)) return remoteOf(url, answer, client, signal);
    discard(answer.message);
    return undefined;
  });
}

function askFor(url: URL, client: UrlClient, signal: AbortSignal | undefined): Promise<Answer> {
  return client.get(client.locationOf(url), { range: 'bytes=0-0' }, signal);
}

async function remoteOf(
  url: URL,
  answer: Answer,
  client: UrlClient,
  signal: AbortSignal | undefined,
): Promise<Remote> {
  const { message, status } = answer;
  if (status === 200) return readWhole(url, message, signal);
  discard(message);
  // No byte is the first one of a file that has none.
  if (status === 416 && message.headers['content-range'] === 'bytes */0') return bytesOf(url, []);
  if (status !== 206) throw failureOf(url, answer, client);
  checkPlain(url, message.headers);
  const size = sizeOf(url, message.headers);
  const version = versionOf(message.headers);
  if (version !== undefined) {
    return { url: url.href, path: spoken(url), size, version, environment: client.environment };
  }
  if (size > MOST_WHOLE_BYTES) {
    throw notDownloadable(
      url,
      'the server sends neither a strong ETag nor a date, so that nobody could tell whether it changes on the way',
    );
  }
  // What comes with one answer is of one version.
  const whole = await client.get(client.locationOf(url), {}, signal);
  if (whole.status === 200) return readWhole(url, whole.message, signal);
  discard(whole.message);
  throw failureOf(url, whole, client);
}

/**
 * Stores of objects forbid what they do not have, to those who may not list them; and some servers have a page for
 * everything.
 */
function isNoFile({ status, message }: Answer): boolean {
  const isPage = /^text\/html\b/i.test(message.headers['content-type'] ?? '');
  return [403, 404, 410].includes(status) || (status < 300 && isPage);
}

function sizeOf(url: URL, headers: IncomingHttpHeaders): number {
  const [, begin, , total] = partOf(headers) ?? [];
  if (begin === 0 && total !== undefined) return total;
  throw notDownloadable(url, 'the server does not say which part it sends, and of how many bytes');
}

/** `bytes 0-99/1000`: begin, end and total. */
export function partOf(
  headers: IncomingHttpHeaders,
): readonly [text: string, begin: number, end: number, total: number] | undefined {
  const text = headers['content-range'] ?? '';
  const [, begin, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(text) ?? [];
  if (begin === undefined) return undefined;
  return [text, Number(begin), Number(last) + 1, Number(total)];
}

function versionOf({ etag, 'last-modified': modified }: IncomingHttpHeaders): Version | undefined {
  if (etag?.startsWith('"')) return { etag };
  return modified === undefined ? undefined : { modified };
}

export function isVersion(
  version: Version,
  { etag, 'last-modified': modified }: IncomingHttpHeaders,
) {
  return 'etag' in version ? etag === version.etag : modified === version.modified;
}

/** Throws if the body is not the file as it is. */
export function checkPlain(url: URL, { 'content-encoding': encoding }: IncomingHttpHeaders): void {
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw notDownloadable(
    url,
    `the server sends it packed (${encoding}), although it was asked not to`,
  );
}

/** What an answer means that has nothing of the file. */
export function failureOf(url: URL, { message, status }: Answer, client: UrlClient) {
  const { now } = client.surroundings;
  return statusFailure(url, status, retryAfter(message.headers['retry-after'], now()));
}

async function readWhole(
  url: URL,
  message: IncomingMessage,
  signal: AbortSignal | undefined,
): Promise<RemoteBytes> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    checkPlain(url, message.headers);
    checkSmall(url, Number(message.headers['content-length'] ?? 0));
    for await (const chunk of message) {
      chunks.push(chunk);
      size += chunk.length;
      checkSmall(url, size);
    }
  } catch (error) {
    discard(message);
    if (signal?.aborted) throw aborted(signal);
    throw connectionLost(url, error as Error);
  }
  return bytesOf(url, chunks);
}

function checkSmall(url: URL, size: number): void {
  if (size <= MOST_WHOLE_BYTES) return;
  throw notDownloadable(
    url,
    `the server sends only all of it at once, and that is more than ${MOST_WHOLE_BYTES >> 20} MiB`,
  );
}

function bytesOf(url: URL, chunks: readonly Uint8Array[]): RemoteBytes {
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return { path: spoken(url), size, bytes };
}
