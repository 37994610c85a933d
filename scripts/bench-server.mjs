// Serves what is measured to the browser: built packages, or the site as a host that compresses sends it.
// Why: a page has threads only where its host says so, and a slow network is one that answers late and little at a time.
// Always: loopback only, any free port; reads nothing outside the folders given.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};
const PAGE =
  '<!doctype html><title>Benchmark</title><input type="file"><script type="module" src="./bench-page-client.js"></script>';

/**
 * @param {string} root of the checkout
 * @param {Readonly<Record<string, string>>} packages folders by the names under which a page imports from them
 * @returns {Promise<{url: string, stop: () => void}>}
 */
export async function serve(root, packages) {
  const headers = siteHeaders(join(root, 'dist', 'site', '_headers'));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const send = (/** @type {string} */ type, /** @type {string | Buffer} */ body) =>
      response.writeHead(200, { ...headers, 'Content-Type': type }).end(body);
    if (pathname === '/') return send('text/html', PAGE);
    const [, first = '', rest = ''] = /^\/([^/]+)(?:\/(.+))?$/.exec(pathname) ?? [];
    const file = rest === '' ? join(root, 'scripts', first) : join(packages[first] ?? '', rest);
    if (!existsSync(file) || !statSync(file).isFile()) {
      return response.writeHead(404, headers).end();
    }
    return send(TYPES[extname(file)] ?? 'application/octet-stream', readFileSync(file));
  });
  return listening(server);
}

/**
 * @typedef {object} Served
 * @property {string} path
 * @property {number} bytes of the body, compressed
 */

/**
 * The built site, with brotli. The network is simulated here, so that it is as slow for workers as for the page.
 * @param {string} root of the checkout
 * @param {{latencyMs: number, bytesPerSecond: number}} [network] how late each answer begins, and what all share
 * @returns {Promise<{url: string, stop: () => void, served: Served[]}>}
 */
export async function serveSite(root, network) {
  const site = join(root, 'dist', 'site');
  const headers = siteHeaders(join(site, '_headers'));
  /** @type {Served[]} */
  const served = [];
  let isFreeAt = 0;
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = pathname === '/' ? '/index.html' : pathname;
    const file = join(site, path);
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404, headers).end();
      return;
    }
    const body = compressed(file);
    served.push({ path: path.slice(1), bytes: body.length });
    if (network !== undefined) {
      const { latencyMs, bytesPerSecond } = network;
      const begin = Math.max(performance.now() + latencyMs, isFreeAt);
      isFreeAt = begin + (1000 * body.length) / bytesPerSecond;
      await new Promise((resolve) => setTimeout(resolve, isFreeAt - performance.now()));
    }
    const isFixed = path.startsWith('/assets/');
    response.writeHead(200, {
      ...headers,
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      'Content-Encoding': 'br',
      'Cache-Control': isFixed ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    response.end(body);
  });
  return { ...(await listening(server)), served };
}

/** @type {Map<string, Buffer>} */
const kept = new Map();

/**
 * As hosts do it that compress once and keep that.
 * @param {string} file
 */
function compressed(file) {
  const before = kept.get(file);
  if (before !== undefined) return before;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 };
  const body = brotliCompressSync(readFileSync(file), { params });
  kept.set(file, body);
  return body;
}

/**
 * @param {import('node:http').Server} server
 * @returns {Promise<{url: string, stop: () => void}>}
 */
async function listening(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${address.port}/`, stop };
}

/**
 * Those that the site sends with everything: the first rule.
 * @param {string} path
 */
function siteHeaders(path) {
  const [, ...lines] = readFileSync(path, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith(' '));
  return Object.fromEntries(
    lines.slice(0, end).map((line) => {
      const [name, ...value] = line.trim().split(': ');
      return [name, value.join(': ')];
    }),
  );
}
