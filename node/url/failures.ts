/**
 * What goes wrong with a connection of Node's, a sentence each.
 */
import { MonoquantError } from '../../js/api/errors.js';
import { PASSING, readFailure } from '../../js/url/failures.js';
import { Hitch } from '../../js/url/hitch.js';

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
  const failure = readFailure(url, `${what}${through}`, { cause });
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
