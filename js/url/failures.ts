/**
 * What goes wrong between a server and us, a sentence each.
 * URLs are shown without what somebody signs in with; no header is ever shown.
 */
import { MonoquantError } from '../api/errors.js';
import { spoken } from './address.js';
import { Hitch } from './hitch.js';

const RUN_AGAIN = 'Run again once it stays as it is.';
const DOWNLOAD = 'Download the file first, for instance with curl -LO, and give its path.';

export function readFailure(
  url: URL,
  what: string,
  details: { readonly suggestion?: string | undefined; readonly cause?: unknown } = {},
): MonoquantError {
  return new MonoquantError('read-failed', `Could not read "${spoken(url)}": ${what}.`, details);
}

export function notDownloadable(url: URL, what: string): MonoquantError {
  return readFailure(url, what, { suggestion: DOWNLOAD });
}

export function changed(url: URL, what: string): MonoquantError {
  const message = `"${spoken(url)}" was changed while it was being read: ${what}.`;
  return new MonoquantError('file-changed', message, { suggestion: RUN_AGAIN });
}

/** A body that ended before all of it had come, however that showed. */
export function connectionBroke(url: URL, cause?: unknown): Hitch {
  return new Hitch(readFailure(url, 'the connection broke', { cause }));
}

/** What a server says instead of sending the file. */
const STATUS: Readonly<Record<number, string>> = {
  401: 'the server wants to know who asks (401)',
  403: 'the server does not give it to everybody (403)',
  407: 'the proxy wants to know who asks (407)',
  408: 'the server did not get the whole request in time (408)',
  416: 'the server has no such part of it (416)',
  425: 'the server asks to come back later (425)',
  429: 'the server is asked too often (429)',
  500: 'the server failed (500)',
  502: 'the server behind the server failed (502)',
  503: 'the server is busy (503)',
  504: 'the server behind the server did not answer (504)',
};

/** Those that pass. */
export const PASSING: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** `waitMs` is what the server asks for; `signIn` may help if it wants to know who asks. */
export function statusFailure(
  url: URL,
  status: number,
  waitMs: number | undefined,
  signIn: string | undefined,
): MonoquantError | Hitch {
  if (status === 404 || status === 410) {
    return new MonoquantError('file-not-found', `There is no file "${spoken(url)}" (${status}).`);
  }
  const what = STATUS[status] ?? `the server answered with the status ${status}`;
  const suggestion = status === 401 || status === 403 ? signIn : undefined;
  const failure = readFailure(url, what, { suggestion });
  return PASSING.includes(status) ? new Hitch(failure, waitMs) : failure;
}
