/**
 * Connections to servers, straight or through a proxy, kept for the next request.
 * One request and its answer: what an answer means is decided elsewhere.
 */
import {
  Agent,
  type AgentOptions,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
  request as requestPlain,
} from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectSecurely } from 'node:tls';
import { aborted } from '../../js/url/aborted.js';
import type { Environment } from '../../js/url/client.js';
import type { Surroundings } from '../../js/url/surroundings.js';
import { proxyFor, withPassword } from './environment.js';
import { connectionLost, proxyRefused } from './failures.js';

/** To one server from one thread. */
const POOL: AgentOptions = { keepAlive: true, maxSockets: 4, scheduling: 'lifo' };

export class Connections {
  readonly #environment: Environment;
  readonly #silenceMs: number;
  readonly #plain = new Agent(POOL);
  readonly #secure = new SecureAgent(POOL);
  readonly #tunnels = new Map<string, TunnelAgent>();

  constructor(environment: Environment, { silenceMs }: Pick<Surroundings, 'silenceMs'>) {
    this.#environment = environment;
    this.#silenceMs = silenceMs;
  }

  /** Asks for what is at `url`. The answer's body has to be read or destroyed. */
  send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    if (signal?.aborted) throw aborted(signal);
    const proxy = proxyFor(url, this.#environment);
    const controls = signal === undefined ? {} : { signal };
    const request = this.#request(url, proxy, { headers, ...controls });
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(signal?.aborted ? aborted(signal) : connectionLost(url, error, proxy));
      request.on('error', fail);
      request.on('response', resolve);
      endIfSilent(request, this.#silenceMs);
      request.end();
    });
  }

  /** Lets go of what is kept. */
  close(): void {
    for (const agent of [this.#plain, this.#secure, ...this.#tunnels.values()]) agent.destroy();
  }

  #request(url: URL, proxy: URL | undefined, options: RequestOptions): ClientRequest {
    // Who asks is told by a header alone.
    const target = new URL(url);
    target.username = '';
    target.password = '';
    if (url.protocol === 'https:') {
      return requestSecure(target, { ...options, agent: this.#secureAgent(proxy) });
    }
    if (proxy === undefined) return requestPlain(target, { ...options, agent: this.#plain });
    const headers = { ...options.headers, host: target.host, ...withPassword(proxy) };
    return requestTo(proxy, { ...options, headers, path: target.href }, [
      this.#plain,
      this.#secure,
    ]);
  }

  #secureAgent(proxy: URL | undefined): SecureAgent {
    if (proxy === undefined) return this.#secure;
    const tunnel = this.#tunnels.get(proxy.href) ?? new TunnelAgent(proxy, this.#silenceMs);
    this.#tunnels.set(proxy.href, tunnel);
    return tunnel;
  }
}

function requestTo(
  { protocol, hostname, port }: URL,
  options: RequestOptions,
  [plain, secure]: readonly [Agent | undefined, SecureAgent | undefined],
): ClientRequest {
  const isSecure = protocol === 'https:';
  const place = { hostname: hostname.replace(/^\[|\]$/g, ''), ...(port === '' ? {} : { port }) };
  const agent = isSecure ? secure : plain;
  const request = isSecure ? requestSecure : requestPlain;
  return request({ ...options, ...place, ...(agent === undefined ? {} : { agent }) });
}

/** Connections that a proxy passes on unread (CONNECT): they are encrypted from here to the server. */
class TunnelAgent extends SecureAgent {
  readonly #proxy: URL;
  readonly #silenceMs: number;

  constructor(proxy: URL, silenceMs: number) {
    super(POOL);
    this.#proxy = proxy;
    this.#silenceMs = silenceMs;
  }

  override createConnection(
    options: RequestOptions & ConnectionOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const done = callback as (error: Error | null, stream?: Duplex) => void;
    const { host, port } = options;
    const place = host?.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const headers = { host: place, ...withPassword(this.#proxy) };
    const asked = { method: 'CONNECT', path: place, headers };
    const request = requestTo(this.#proxy, asked, [undefined, undefined]);
    request.on('error', done);
    request.on('connect', ({ statusCode = 0 }, socket) => {
      if (statusCode >= 200 && statusCode < 300) {
        done(null, connectSecurely({ ...options, socket }));
        return;
      }
      socket.destroy();
      done(proxyRefused(place, statusCode));
    });
    endIfSilent(request, this.#silenceMs);
    request.end();
  }
}

function endIfSilent(request: ClientRequest, ms: number): void {
  request.setTimeout(ms, () => {
    request.destroy(Object.assign(new Error('silence'), { code: 'ETIMEDOUT' }));
  });
}
