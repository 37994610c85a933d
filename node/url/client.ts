/**
 * Requests that follow redirections, and tell nobody but the server that was named who asks.
 */
import type { IncomingMessage } from 'node:http';
import { spoken } from '../../js/url/address.js';
import type { Answer, Client, Environment, Location } from '../../js/url/client.js';
import { notDownloadable } from '../../js/url/failures.js';
import { REAL, type Surroundings } from '../../js/url/surroundings.js';
import { Connections } from './connections.js';
import { authorizationFor, maySignIn, tokenVariable } from './environment.js';
import { connectionLost } from './failures.js';

const REDIRECTIONS: readonly number[] = [301, 302, 303, 307, 308];
const MOST_REDIRECTIONS = 10;
/** A longer body costs more than a new connection. */
const MOST_DISCARDED = 64 << 10;

/** A part is a part of the file itself: not of what some server or proxy has packed it into. */
const HEADERS = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'monoquant' };

export class UrlClient implements Client {
  readonly environment: Environment;
  readonly surroundings: Surroundings;
  readonly #connections: Connections;

  constructor(environment: Environment, surroundings: Surroundings = REAL) {
    this.environment = environment;
    this.surroundings = surroundings;
    this.#connections = new Connections(environment, surroundings);
  }

  locationOf(url: URL): Location {
    return { url, authorization: authorizationFor(url, this.environment) };
  }

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
      const answer = new MessageAnswer(message, location);
      if (!REDIRECTIONS.includes(answer.status)) return answer;
      answer.discard();
      location = next(location, answer.header('location'));
    }
  }

  lost(url: URL, cause: unknown) {
    return connectionLost(url, cause as Error);
  }

  signIn(url: URL): string {
    return maySignIn(url)
      ? `If you have a token for it, set the variable ${tokenVariable(url)} to that.`
      : 'If you have a token for it, give its https: URL: a token is sent over encrypted connections only.';
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

class MessageAnswer implements Answer {
  readonly location: Location;
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage, location: Location) {
    this.#message = message;
    this.location = location;
  }

  get status(): number {
    return this.#message.statusCode ?? 0;
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  body(): AsyncIterable<Uint8Array> {
    return this.#message;
  }

  discard(): void {
    const message = this.#message;
    message.on('error', () => {});
    const length = Number(this.header('content-length') ?? Number.POSITIVE_INFINITY);
    if (length <= MOST_DISCARDED) message.resume();
    else message.destroy();
  }
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
