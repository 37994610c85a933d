// A built page on a static host, and a visitor who gives it a file.
// Why: that a bundler is content says nothing about what it built.
// Always: loopback only; nothing but the folder is served.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright';
import { BuildError } from './run.mjs';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** With these, a page may have threads on shared memory. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * @param {string} folder
 * @param {boolean} isolated
 * @returns {Promise<{url: string, stop: () => void}>}
 */
export async function serveFolder(folder, isolated) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = normalize(decodeURIComponent(pathname));
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    const headers = isolated ? ISOLATION : {};
    if (!existsSync(file) || !statSync(file).isFile())
      return response.writeHead(404, headers).end();
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    return response.writeHead(200, { ...headers, 'Content-Type': type }).end(readFileSync(file));
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
 * @param {string} url
 * @param {string} model
 * @param {number} patience in milliseconds
 * @returns {Promise<{sha256: string, engine: {kind: string}}>}
 */
export async function quantizeInPage(url, model, patience) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  /** @type {string[]} */
  const said = [];
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(Math.min(patience, 120_000));
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    page.on('requestfailed', (request) => said.push(`failed: ${request.url()}`));
    page.on('response', (response) => {
      if (response.status() >= 400) said.push(`${response.status()} ${response.url()}`);
    });
    await page.goto(url, { waitUntil: 'networkidle' });
    await page.locator('input').setInputFiles(model);
    await page.waitForFunction('document.body.dataset.result !== undefined');
    const text = /** @type {string} */ (await page.evaluate('document.body.dataset.result'));
    const result = JSON.parse(text);
    if (result.error !== undefined) throw new BuildError(text);
    return result;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new BuildError([words, ...said].join('\n'));
  } finally {
    await browser.close();
  }
}
