/**
 * Asks servers as a page may: without a name, and only those that let pages read what they have.
 * Browsers follow redirections by themselves. They ask a server first whether it takes conditions with a request, and
 * many do not; so none are sent, and the version that each answer is of is looked at when it comes.
 */
import { MonoquantError } from '../../../js/api/errors.js';
import { aborted } from '../../../js/url/aborted.js';
import type { Answer, Client, Location } from '../../../js/url/client.js';
import { readFailure } from '../../../js/url/failures.js';
import { Hitch } from '../../../js/url/hitch.js';
import { REAL, type Surroundings } from '../../../js/url/surroundings.js';

/** A longer body costs more than a new connection. */
const MOST_DISCARDED = 64 << 10;

export class FetchClient implements Client {
  readonly environment = {};
  readonly surroundings: Surroundings;
  /** Servers that have let this page read something. */
  readonly #open = new Set<string>();

  constructor(surroundings: Surroundings = REAL) {
    this.surroundings = surroundings;
  }

  locationOf(url: URL): Location {
    return { url, authorization: undefined };
  }

  async get(
    { url }: Location,
    { range }: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    checkAllowed(url);
    const watch = new Watch(this.surroundings.silenceMs, signal);
    try {
      const response = await watch.over(
        fetch(url, {
          headers: range === undefined ? {} : { range },
          signal: watch.signal,
          cache: 'no-store',
          credentials: 'omit',
          referrerPolicy: 'no-referrer',
        }),
      );
      const answer = new FetchAnswer(response, watch);
      this.#open.add(url.origin).add(answer.location.url.origin);
      return answer;
    } catch (error) {
      if (signal?.aborted) throw aborted(signal);
      throw this.lost(url, error);
    }
  }

  lost(url: URL, cause: unknown): MonoquantError | Hitch {
    if (cause instanceof MonoquantError || cause instanceof Hitch) return cause;
    if (cause instanceof Silence) {
      return new Hitch(readFailure(url, 'the server does not answer', { cause }));
    }
    // Browsers do not say which of the two it is.
    const shut = 'the host does not let pages read it';
    return this.#open.has(url.origin)
      ? new Hitch(readFailure(url, `the connection broke, or ${shut}`, { cause }))
      : readFailure(url, `${shut}, or does not answer`, { cause });
  }

  signIn(): undefined {
    return undefined;
  }
}

function checkAllowed(url: URL): void {
  if (url.username !== '' || url.password !== '') {
    throw readFailure(url, 'a page does not sign in to servers');
  }
  const isOpen =
    ['localhost', '127.0.0.1'].includes(url.hostname) || url.origin === location.origin;
  if (url.protocol === 'https:' || isOpen) return;
  throw readFailure(url, 'a page reads from https: URLs only');
}

/** Nothing came for too long. */
class Silence extends Error {}

/** Ends a request whose server says nothing, or whose caller does not want it any more. */
class Watch {
  readonly #silenceMs: number;
  readonly #abort = new AbortController();

  constructor(silenceMs: number, signal: AbortSignal | undefined) {
    this.#silenceMs = silenceMs;
    const end = () => this.end();
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true, signal: this.#abort.signal });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(): void {
    this.#abort.abort();
  }

  /** Rejects if it takes too long, and ends the request then. */
  async over<Result>(work: Promise<Result>): Promise<Result> {
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      this.end();
    }, this.#silenceMs);
    try {
      return await work;
    } catch (error) {
      throw isSilent ? new Silence() : error;
    } finally {
      clearTimeout(timer);
    }
  }
}

class FetchAnswer implements Answer {
  readonly status: number;
  readonly location: Location;
  readonly #response: Response;
  readonly #watch: Watch;

  constructor(response: Response, watch: Watch) {
    this.status = response.status;
    this.location = { url: new URL(response.url), authorization: undefined };
    this.#response = response;
    this.#watch = watch;
  }

  header(name: string): string | undefined {
    // Browsers have unpacked what comes whole.
    if (name === 'content-encoding' && this.status === 200) return undefined;
    return this.#response.headers.get(name) ?? undefined;
  }

  async *body(): AsyncIterable<Uint8Array> {
    const reader = this.#response.body?.getReader();
    if (reader === undefined) return;
    for (;;) {
      const { done, value } = await this.#watch.over(reader.read());
      if (done) return;
      yield value;
    }
  }

  discard(): void {
    const length = Number(this.header('content-length') ?? Number.POSITIVE_INFINITY);
    const isRead = this.#response.bodyUsed || this.#response.body?.locked === true;
    if (isRead || length > MOST_DISCARDED) this.#watch.end();
    else this.#response.arrayBuffer().catch(() => {});
  }
}
