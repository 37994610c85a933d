/**
 * A server of files on this machine that does as servers should, or misbehaves on purpose.
 * It exists so that what reads URLs can be tried against everything that the world's servers do.
 * An honest answer is made first, with parts and versions; what is wrong with it is up to the test.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { crc32 } from 'node:zlib';
import type { Certificate } from './certificate.js';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The connection breaks after so many bytes of the body. */
  readonly cut?: number;
  /** So many bytes at a time. */
  readonly drop?: number;
  /** Nothing is ever said. */
  readonly isSilent?: boolean;
}

export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Counted from 0. */
  readonly number: number;
}

/** What becomes of an honest answer. */
export type Trouble = (reply: Reply, asked: Asked) => Reply;

const DATE = 'Tue, 02 Jan 2024 03:04:05 GMT';

export class FileServer {
  readonly #server: Server;
  readonly files: Map<string, Uint8Array>;
  readonly asked: Asked[] = [];
  trouble: Trouble;

  private constructor(
    files: ReadonlyMap<string, Uint8Array>,
    trouble: Trouble,
    certificate: Certificate | undefined,
  ) {
    this.files = new Map(files);
    this.trouble = trouble;
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      this.#answer(request, response);
    this.#server =
      certificate === undefined ? createServer(answer) : createSecureServer(certificate, answer);
  }

  static async start(
    files: Readonly<Record<string, Uint8Array | string>>,
    trouble: Trouble = (reply) => reply,
    certificate?: Certificate,
  ): Promise<FileServer> {
    const bytes = Object.entries(files).map(
      ([name, content]) =>
        [`/${name}`, typeof content === 'string' ? Buffer.from(content) : content] as const,
    );
    const server = new FileServer(new Map(bytes), trouble, certificate);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  url(name: string): string {
    return `${this.origin}/${name}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    // A proxy is asked for whole URLs.
    const path = /^https?:/.test(url) ? url.replace(/^https?:\/\/[^/]*/, '') : url;
    const asked = { method, path, headers, number: this.asked.length };
    this.asked.push(asked);
    const content = this.files.get(path.replace(/\?.*/, ''));
    const honest = content === undefined ? notFound() : honestReply(content, headers);
    send(this.trouble(honest, asked), response);
  }
}

/** As a server answers that lets pages of others read what it has, and see what it says of it. */
export function forPages(reply: Reply): Reply {
  const seen = 'accept-ranges, content-range, etag, retry-after';
  const allowed = { 'access-control-allow-origin': '*', 'access-control-expose-headers': seen };
  return { ...reply, headers: { ...allowed, ...reply.headers } };
}

function notFound(): Reply {
  return { status: 404, headers: {}, body: Buffer.from('no such file') };
}

/** As a server of files answers that knows parts and versions. */
export function honestReply(content: Uint8Array, headers: IncomingMessage['headers']): Reply {
  const common = { etag: etagOf(content), 'last-modified': DATE, 'accept-ranges': 'bytes' };
  const [, begin = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  const isOther = headers['if-range'] !== undefined && headers['if-range'] !== common.etag;
  if (begin === '' || isOther) return { status: 200, headers: common, body: content };
  const size = content.length;
  if (Number(begin) >= size) {
    const range = { 'content-range': `bytes */${size}` };
    return { status: 416, headers: range, body: new Uint8Array() };
  }
  const body = content.subarray(Number(begin), Number(last) + 1);
  const range = `bytes ${begin}-${Number(begin) + body.length - 1}/${size}`;
  return { status: 206, headers: { ...common, 'content-range': range }, body };
}

/** The same bytes are the same version, wherever they lie. */
function etagOf(content: Uint8Array): string {
  return `"${crc32(content)}-${content.length}"`;
}

function send(
  { status, headers, body, cut, drop, isSilent }: Reply,
  response: ServerResponse,
): void {
  if (isSilent) return;
  response.writeHead(status, { 'content-length': String(body.length), ...headers });
  if (cut !== undefined && cut < body.length) {
    response.write(body.subarray(0, cut), () => response.destroy());
    return;
  }
  if (drop === undefined) {
    response.end(body);
    return;
  }
  const next = (at: number) => {
    if (at >= body.length) response.end();
    else response.write(body.subarray(at, at + drop), () => setImmediate(next, at + drop));
  };
  next(0);
}

/** A proxy that passes every encrypted connection on to one server, wherever it was to lead. */
export class Tunnel {
  readonly #server: Server;
  /** Where connections were to lead, and who asked. */
  readonly asked: { readonly place: string; readonly authorization: string | undefined }[] = [];

  private constructor(port: number, status: number) {
    this.#server = createServer();
    this.#server.on('connect', ({ url = '', headers }, client) => {
      this.asked.push({ place: url, authorization: headers['proxy-authorization'] });
      client.write(`HTTP/1.1 ${status} Here\r\n\r\n`);
      if (status !== 200) {
        client.end();
        return;
      }
      const server = connect(port, '127.0.0.1');
      client.pipe(server).pipe(client);
      server.on('error', () => client.destroy());
      client.on('error', () => server.destroy());
    });
  }

  static async start(port: number, status = 200): Promise<Tunnel> {
    const tunnel = new Tunnel(port, status);
    await new Promise<void>((resolve) => tunnel.#server.listen(0, '127.0.0.1', resolve));
    return tunnel;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }
}
