/**
 * What the page asks the network for: its own files, once, and nothing afterwards.
 * It exists because "nothing is uploaded" is a promise that only a server's list of requests can prove.
 * The server counts what reaches it; the browser tells what the page asked for, whoever answered.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Response } from 'playwright';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../support/poll.js';
import { headersOf, rulesFor, SITE, type SiteOptions, SiteServer } from './server.js';
import { type Visit, visitors } from './visit.js';

const visit = visitors();
const HOSTS: readonly (readonly [what: string, options: SiteOptions])[] = [
  ['an isolated host', { isolated: true }],
  ['a plain host', {}],
  ['a plain host, in a folder', { folder: '/some/folder/' }],
  ['an isolated host, in a folder', { isolated: true, folder: '/~me/quantize/' }],
];

/** Everything that somebody does here. */
async function doEverything(visitor: Visit): Promise<void> {
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.choose('INT4');
  await visitor.quantize();
  const done = visitor.card('What came out');
  await done.getByRole('button', { name: 'Validate', exact: true }).click();
  await done.getByText(/^Valid: /).waitFor();
  await visitor.showWorst();
  for (const name of ['Save the report as JSON', 'Save report', 'Export runs']) {
    await Promise.all([
      page.waitForEvent('download'),
      done.getByRole('button', { name, exact: true }).click(),
    ]);
  }
  for (const name of ['transformers', 'PyTorch']) {
    const usage = done.getByRole('button', { name, exact: true });
    if ((await usage.count()) > 0) await usage.click();
  }
  await page.getByText('Size against quality', { exact: true }).click();
  await page.getByLabel('Size of the output').press('ArrowRight');
  await visitor.choose('INT4');
  for (const activity of ['Convert', 'Compare', 'Inspect', 'Quantize']) {
    await page.getByRole('radio', { name: activity }).check();
  }
  expect((await visitor.save()).name).toBe('example-int4.safetensors');
}

describe.each(HOSTS)('%s', (_, options) => {
  it('is asked for nothing once the page works offline', async () => {
    const visitor = await visit(options);
    await visitor.worksOffline();
    expect(visitor.server.requests).toContain('service-worker.js');
    // An engine that waits for a call would ask for nothing.
    await until('no engine is left', () => visitor.page.workers().length === 0);
    const served = visitor.server.requests.length;
    const responses: Response[] = [];
    visitor.page.context().on('response', (response) => responses.push(response));
    await doEverything(visitor);
    // At times the browser itself looks whether there is a newer service worker.
    const later = visitor.server.requests.slice(served);
    expect(later.filter((path) => path !== 'service-worker.js')).toEqual([]);
    for (const response of responses) {
      const url = response.url();
      expect(url.startsWith(visitor.server.url) || url.startsWith('blob:'), url).toBe(true);
      if (url.startsWith('blob:') || url.endsWith('service-worker.js')) continue;
      expect(response.fromServiceWorker(), url).toBe(true);
    }
    // The engine's worker and the engine at least.
    expect(responses.length).toBeGreaterThan(1);
    // Before that, too, nobody else was asked.
    for (const request of visitor.requests) {
      expect(new URL(request.url()).origin).toBe(visitor.server.origin);
    }
  });

  it('is not needed once the page works offline', async () => {
    const visitor = await visit(options);
    await visitor.worksOffline();
    const badge = await visitor.badge('works offline').innerText();
    // Another of its files, opened like a page, does not take the page's place.
    const { url } = visitor.server;
    await visitor.page.goto(`${url}icon.svg`);
    await visitor.server.stop();
    // Only the service worker has the files then.
    const browser = await visitor.page.context().newCDPSession(visitor.page);
    await browser.send('Network.clearBrowserCache');
    await visitor.page.goto(url);
    await visitor.badge('works offline').waitFor();
    // With as many threads as before.
    expect(await visitor.badge('works offline').innerText()).toBe(badge);
    await doEverything(visitor);
  });
});

const VIOLATION = 'securitypolicyviolation: ';

describe('the policy', () => {
  it.each([true, false])('lets nothing out, isolated: %s', async (isolated) => {
    const visitor = await visit({ isolated });
    const elsewhere = await SiteServer.start();
    onTestFinished(() => elsewhere.stop());
    const refused = await visitor.page.evaluate(async (url) => {
      const fails = (call: () => Promise<unknown>) =>
        call().then(
          () => false,
          () => true,
        );
      const image = new Image();
      const loaded = new Promise((resolve, reject) => {
        image.onload = resolve;
        image.onerror = reject;
      });
      image.src = `${url}icon.svg`;
      const script = document.createElement('script');
      script.textContent = 'window.wasRun = true';
      document.body.append(script);
      navigator.sendBeacon(`${url}beacon`, 'weights');
      return {
        fetch: await fails(() => fetch(url, { mode: 'no-cors' })),
        image: await fails(() => loaded),
        code: await fails(async () => new Function('return 1')()),
        inline: !('wasRun' in window),
      };
    }, elsewhere.url);
    expect(refused).toEqual({ fetch: true, image: true, code: true, inline: true });
    const { url } = elsewhere;
    const violations = [
      `connect-src ${url}`,
      `connect-src ${url}beacon`,
      `img-src ${url}icon.svg`,
      'script-src eval',
      'script-src-elem inline',
    ];
    const told = () =>
      [...new Set(visitor.complaints)].filter((text) => text.startsWith(VIOLATION));
    await expect
      .poll(() => told().sort())
      .toEqual(violations.map((violation) => `${VIOLATION}${violation}`));
    expect(elsewhere.requests).toEqual([]);
    visitor.complaints.length = 0;
  });

  it('forbids frames, sniffing and referrers where the host sends _headers', () => {
    for (const path of ['/', '/index.html', '/assets/worker-1.js', '/service-worker.js']) {
      expect(headersOf(path)['Content-Security-Policy'], path).toContain("frame-ancestors 'none'");
      expect(headersOf(path)['Content-Security-Policy'], path).toContain("connect-src 'self';");
    }
    const network = headersOf('/network/index.html')['Content-Security-Policy'];
    expect(network).toContain("default-src 'none'");
    expect(network).toContain("frame-ancestors 'self'");
    for (const path of ['/', '/network/index.html', '/assets/worker-1.js', '/icon.svg']) {
      expect(headersOf(path)['X-Content-Type-Options'], path).toBe('nosniff');
      expect(headersOf(path)['Referrer-Policy'], path).toBe('no-referrer');
      expect(headersOf(path)['Cross-Origin-Embedder-Policy'], path).toBe('require-corp');
    }
  });

  it('is said once for every file: hosts would add up what two rules say', () => {
    for (const path of ['/', '/index.html', '/assets/x.js', '/network/', '/network/index.html']) {
      const names = rulesFor(path).flatMap(({ headers }) => Object.keys(headers));
      expect(names, path).toEqual([...new Set(names)]);
      expect(names, path).toContain('Content-Security-Policy');
    }
  });
});

/** What a page needs before a model can be dropped, and with the engine, as static hosts compress it. */
const FIRST_VIEW_BYTES = 60_000;
const READY_BYTES = 512_000;

it('a first visit takes models after 60 kB, and is ready after 512 kB', async () => {
  const visitor = await visit();
  const script = readFileSync(join(SITE, 'service-worker.js'), 'utf8');
  const paths: string[] = [];
  const asset = (name: RegExp) => readdirSync(join(SITE, 'assets')).find((file) => name.test(file));
  const view = readFileSync(join(SITE, 'assets', asset(/^model-view-.*\.js$/) ?? ''), 'utf8');
  // The view of models and charts come when all is ready, and the service worker keeps them with the rest: none of
  // them is waited for. Neither is what only the view imports.
  const isOfView = (path: string) =>
    paths.some((before) => /monoquant-/.test(before)) && view.includes(`"./${basename(path)}"`);
  for (const request of visitor.requests) {
    const path = request.url().slice(visitor.server.url.length);
    if (isOfView(path)) continue;
    if (request.serviceWorker() !== null || /(charts|model-view)-|service-worker/.test(path))
      continue;
    paths.push(path === '' ? 'index.html' : path);
  }
  for (const later of ['charts-', 'model-view-']) expect(script).toContain(later);
  const sizes = [...new Set(paths)].map((path) => {
    const bytes = readFileSync(join(SITE, path));
    const brotli = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
    });
    return {
      path,
      raw: bytes.length,
      brotli: brotli.length,
      gzip: gzipSync(bytes, { level: 9 }).length,
    };
  });
  // Workers and what they load: all that was asked for before them is the page.
  const engine = sizes.findIndex(({ path }) => /worker|monoquant-/.test(path));
  const sum = (of: 'brotli' | 'gzip', end: number) =>
    sizes.slice(0, end).reduce((total, size) => total + size[of], 0);
  console.info(
    `before the first drop: ${sum('brotli', engine)} bytes with brotli, ${sum('gzip', engine)} with gzip; with the engine ${sum('brotli', sizes.length)} and ${sum('gzip', sizes.length)}\n${sizes
      .map(({ path, raw, brotli, gzip }) => `  ${path}: ${raw}, ${brotli} brotli, ${gzip} gzip`)
      .join('\n')}`,
  );
  expect(sizes.slice(engine).some(({ path }) => /monoquant-st-.*\.wasm$/.test(path))).toBe(true);
  expect(sum('brotli', engine)).toBeGreaterThan(0);
  expect(sum('brotli', engine)).toBeLessThanOrEqual(FIRST_VIEW_BYTES);
  expect(sum('brotli', sizes.length)).toBeLessThanOrEqual(READY_BYTES);
});
