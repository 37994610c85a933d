/**
 * Requests that follow redirections, and tell nobody but the server that was named who asks.
 */
import type { IncomingMessage } from 'node:http';
import { spoken } from './address.js';
import { Connections } from './connections.js';
import { authorizationFor, type Environment } from './environment.js';
import { notDownloadable } from './failures.js';
import { REAL, type Surroundings } from './surroundings.js';

/** Where something is, as far as redirections have led. */
export interface Location {
  readonly url: URL;
  /** What the server that was named is told of who asks; undefined once another server has answered. */
  readonly authorization: string | undefined;
}

export interface Answer {
  readonly message: IncomingMessage;
  readonly status: number;
  readonly location: Location;
}

const REDIRECTIONS: readonly number[] = [301, 302, 303, 307, 308];
const MOST_REDIRECTIONS = 10;
/** A longer body costs more than a new connection. */
const MOST_DISCARDED = 64 << 10;

/** A part is a part of the file itself: not of what some server or proxy has packed it into. */
const HEADERS = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'monoquant' };

export class UrlClient {
  readonly environment: Environment;
  readonly surroundings: Surroundings;
  readonly #connections: Connections;

  constructor(environment: Environment, surroundings: Surroundings = REAL) {
    this.environment = environment;
    this.surroundings = surroundings;
    this.#connections = new Connections(environment, surroundings);
  }

  /** Where a URL leads at first. */
  locationOf(url: URL): Location {
    return { url, authorization: authorizationFor(url, this.environment) };
  }

  /** The first answer that is no redirection. */
  async get(
    start: Location,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const seen = new Set<string>();
    for (let location = start; ; ) {
      const { url, authorization } = location;
      if (seen.has(url.href)) {
        throw notDownloadable(start.url, `redirections lead in a circle, to "${spoken(url)}"`);
      }
      if (seen.size > MOST_REDIRECTIONS) {
        throw notDownloadable(start.url, `more than ${MOST_REDIRECTIONS} redirections`);
      }
      seen.add(url.href);
      const asks = authorization === undefined ? {} : { authorization };
      const message = await this.#connections.send(
        url,
        { ...HEADERS, ...headers, ...asks },
        signal,
      );
      const status = message.statusCode ?? 0;
      if (!REDIRECTIONS.includes(status)) return { message, status, location };
      discard(message);
      location = next(location, message.headers.location);
    }
  }

  /** Lets go of connections that are kept. */
  close(): void {
    this.#connections.close();
  }
}

const CLIENTS = new Map<string, UrlClient>();

/** The one of this thread: all that is read in the same way shares its connections. */
export function clientFor(environment: Environment): UrlClient {
  const key = JSON.stringify(environment);
  const client = CLIENTS.get(key) ?? new UrlClient(environment);
  CLIENTS.set(key, client);
  return client;
}

function next({ url, authorization }: Location, target: string | undefined): Location {
  if (target === undefined || !URL.canParse(target, url.href)) {
    throw notDownloadable(url, 'a redirection to nowhere');
  }
  const to = new URL(target, url);
  if (to.protocol !== 'https:' && (to.protocol !== 'http:' || url.protocol === 'https:')) {
    throw notDownloadable(url, `a redirection from ${url.protocol} to ${to.protocol}`);
  }
  to.hash = '';
  to.username = '';
  to.password = '';
  return { url: to, authorization: to.origin === url.origin ? authorization : undefined };
}

/** Nobody wants the body. */
export function discard(message: IncomingMessage): void {
  message.on('error', () => {});
  const length = Number(message.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (length <= MOST_DISCARDED) message.resume();
  else message.destroy();
}
