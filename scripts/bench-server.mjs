// Serves built packages to the browser that is measured, with the headers of the site.
// Why: a page has threads only where its host says so, as the site's host does.
// Always: loopback only, any free port; reads nothing outside the folders given.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };
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
