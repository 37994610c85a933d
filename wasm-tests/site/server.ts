/**
 * A static host for dist/site, as plain as they come, that remembers what it was asked for.
 * It exists because what the page asks for, and which headers it gets, is what the tests are about.
 * Loopback only, any free port; the headers of the isolated kind are those of dist/site/_headers.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

export const SITE = join(import.meta.dirname, '../../dist/site');

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

export interface SiteOptions {
  /** Send what `_headers` says; without it only what every host sends. */
  readonly isolated?: boolean;
  /** The folder in which the site lies, with slashes at both ends. */
  readonly folder?: string;
}

/** One rule of `_headers`: a path, `*` at its end for anything, and what is sent with it. */
export interface HeaderRule {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export class SiteServer {
  /** Paths below the folder, in the order of the requests. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #folder: string;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  static async start({ isolated = false, folder = '/' }: SiteOptions = {}): Promise<SiteServer> {
    const server = createServer();
    const site = new SiteServer(server, folder);
    server.on('request', (request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
      site.requests.push(path.startsWith(folder) ? path.slice(folder.length) : path);
      const file = path.startsWith(folder) ? fileOf(path.slice(folder.length)) : undefined;
      if (file === undefined)
        return response.writeHead(404, { 'Content-Type': 'text/plain' }).end();
      const bytes = readFileSync(file);
      const tag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`;
      const headers = {
        'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
        'Cache-Control': 'no-cache',
        ETag: tag,
        ...(isolated ? headersOf(`/${path.slice(folder.length)}`) : {}),
      };
      if (request.headers['if-none-match'] === tag) return response.writeHead(304, headers).end();
      return response.writeHead(200, { ...headers, 'Content-Length': bytes.length }).end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return this.origin + this.#folder;
  }

  /** Until then it has an address; afterwards nobody answers there. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** `_headers` as static hosts read it: a path on a line, its headers on indented ones below. */
function headerRules(): readonly HeaderRule[] {
  const rules: { path: string; headers: Record<string, string> }[] = [];
  for (const line of readFileSync(join(SITE, '_headers'), 'utf8').split('\n')) {
    if (line.trim() === '') continue;
    const rule = rules.at(-1);
    const header = /^\s+([\w-]+): (.+)$/.exec(line);
    if (/^\/\S*$/.test(line)) rules.push({ path: line, headers: {} });
    else if (header?.[1] !== undefined && header[2] !== undefined && rule !== undefined) {
      rule.headers[header[1]] = header[2];
    } else throw new Error(`_headers has a line that is no path and no header: "${line}".`);
  }
  return rules;
}

/** Those that are about a path, which begins with a slash. */
export function rulesFor(path: string): readonly HeaderRule[] {
  return headerRules().filter((rule) =>
    rule.path.endsWith('*') ? path.startsWith(rule.path.slice(0, -1)) : path === rule.path,
  );
}

/** What is sent with it. */
export function headersOf(path: string): Record<string, string> {
  return Object.assign({}, ...rulesFor(path).map(({ headers }) => headers));
}

function fileOf(path: string): string | undefined {
  const file = join(SITE, normalize(path === '' ? 'index.html' : path));
  const isServed = file.startsWith(SITE) && existsSync(file) && statSync(file).isFile();
  return isServed ? file : undefined;
}
