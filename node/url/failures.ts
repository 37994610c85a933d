/**
 * What goes wrong between a server and us, a sentence each.
 * URLs are shown without what somebody signs in with; no header is ever shown.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { spoken } from './address.js';
import { maySignIn, tokenVariable } from './environment.js';
import { Hitch } from './hitch.js';

const RUN_AGAIN = 'Run again once it stays as it is.';
const DOWNLOAD = 'Download the file first, for instance with curl -LO, and give its path.';

export function readFailure(url: URL, what: string, suggestion?: string): MonoquantError {
  const message = `Could not read "${spoken(url)}": ${what}.`;
  return new MonoquantError('read-failed', message, { suggestion });
}

export function notDownloadable(url: URL, what: string): MonoquantError {
  return readFailure(url, what, DOWNLOAD);
}

export function changed(url: URL, what: string): MonoquantError {
  const message = `"${spoken(url)}" was changed while it was being read: ${what}.`;
  return new MonoquantError('file-changed', message, { suggestion: RUN_AGAIN });
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
const PASSING: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** `waitMs` is what the server asks for. */
export function statusFailure(
  url: URL,
  status: number,
  waitMs: number | undefined,
): MonoquantError | Hitch {
  if (status === 404 || status === 410) {
    return new MonoquantError('file-not-found', `There is no file "${spoken(url)}" (${status}).`);
  }
  const what = STATUS[status] ?? `the server answered with the status ${status}`;
  const signIn = maySignIn(url)
    ? `If you have a token for it, set the variable ${tokenVariable(url)} to that.`
    : 'If you have a token for it, give its https: URL: a token is sent over encrypted connections only.';
  const failure = readFailure(url, what, status === 401 || status === 403 ? signIn : undefined);
  return PASSING.includes(status) ? new Hitch(failure, waitMs) : failure;
}

/** What the system calls a connection that failed, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing answers there',
  ECONNRESET: 'the connection broke',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection broke',
  EPIPE: 'the connection broke',
  EAI_AGAIN: 'the name of the server cannot be looked up',
  ENOTFOUND: 'there is no server of this name',
  EHOSTUNREACH: 'there is no way to the server',
  ENETUNREACH: 'there is no way to the server',
  ETIMEDOUT: 'the server does not answer',
};

export function connectionLost(
  url: URL,
  cause: Error,
  proxy?: URL | undefined,
): MonoquantError | Hitch {
  if (cause instanceof MonoquantError || cause instanceof Hitch) return cause;
  const code = 'code' in cause ? String(cause.code) : '';
  const what = REASONS[code] ?? cause.message;
  const through = proxy === undefined ? '' : `, asked through the proxy ${proxy.origin}`;
  const message = `Could not read "${spoken(url)}": ${what}${through}.`;
  const failure = new MonoquantError('read-failed', message, { cause });
  // Certificates, and answers that are no HTTP, stay as they are.
  const passes = code in REASONS || /^E[A-Z]+$/.test(code);
  return passes ? new Hitch(failure) : failure;
}

export function proxyRefused(place: string, status: number): MonoquantError | Hitch {
  const message = `The proxy does not lead to "${place}" (${status}).`;
  const suggestion = 'Look at HTTPS_PROXY, or list the host in NO_PROXY.';
  const failure = new MonoquantError('read-failed', message, { suggestion });
  return PASSING.includes(status) ? new Hitch(failure) : failure;
}
