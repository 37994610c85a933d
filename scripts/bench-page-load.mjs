// What a visit of the site costs: when something is seen, how long the page cannot answer, what is sent.
// Why: nobody waits for a page that is slow to appear, and one that hangs while it works seems broken.
// Always: the built site, a new browser profile for each visit; medians, nothing is judged.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { ensurePackages } from './apt.mjs';
import { header, row } from './bench-files.mjs';
import { writeModel } from './bench-model.mjs';
import { writeManyTensors } from './bench-names.mjs';
import { median } from './bench-process.mjs';
import { serveSite } from './bench-server.mjs';
import { BuildError, findOnPath } from './run.mjs';

/** As Lighthouse throttles a mobile device: 1.6 Mbit/s less a tenth, 3.75 round trips of 150 ms before an answer. */
const SLOW = { latencyMs: 562.5, bytesPerSecond: 184_320 };

/** @typedef {{processor: number, network?: typeof SLOW}} Conditions `processor`: how many times as slow */

/** @type {Record<string, Conditions>} */
const VISITS = {
  'this machine': { processor: 1 },
  'a processor a quarter as fast': { processor: 4 },
  'that, and a slow network': { processor: 4, network: SLOW },
};

const TENSORS = 46_000;
const RUN_BYTES = 480e6;
const PATIENCE_MS = 300_000;

/** @typedef {import('playwright').Page} Page */

/**
 * @typedef {object} Load
 * @property {number} firstPaint in milliseconds, as all times here
 * @property {number} largestPaint
 * @property {number} blocking beyond 50 ms of each task after the first paint
 * @property {number} longest task; 0 if none takes 50 ms
 * @property {number} shift as Chromium scores it
 * @property {number} ready when the engine is
 */

/**
 * @param {import('./bench-files.mjs').Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchPageLoad(job) {
  const { root, folder, rounds } = job;
  if (!existsSync(join(root, 'dist', 'site', '_headers'))) {
    throw new BuildError('The page is not built: run npm install first.');
  }
  if (findOnPath('dpkg-query') !== undefined) await ensurePackages(['chromium'], 'the page');
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  try {
    yield '';
    yield `First visits to the page in Chromium, ${rounds} each, medians. Times are in ms; tasks are those of the page's main thread. The slow network is that of Lighthouse: ${SLOW.latencyMs} ms before each answer, ${Math.round((SLOW.bytesPerSecond * 8) / 1000)} kbit/s.`;
    yield '';
    yield* header([
      'on',
      'first contentful paint',
      'largest contentful paint',
      'total blocking time',
      'longest task',
      'layout shift',
      'engine ready',
    ]);
    for (const [name, conditions] of Object.entries(VISITS)) {
      /** @type {Load[]} */
      const loads = [];
      for (let round = 0; round < rounds; round++) {
        loads.push(await firstVisit(browser, root, conditions));
      }
      const of = (/** @type {keyof Load} */ key) => median(loads.map((load) => load[key]));
      yield row([
        name,
        ...[of('firstPaint'), of('largestPaint'), of('blocking')].map((ms) => ms.toFixed(0)),
        taskWords(of('longest')),
        of('shift').toFixed(3),
        of('ready').toFixed(0),
      ]);
    }
    yield '';
    yield 'What is sent, with brotli:';
    yield '';
    yield* header(['until', 'requests', 'kB']);
    for (const [name, { requests, bytes }] of await sent(browser, root, folder)) {
      yield row([name, String(requests), (bytes / 1000).toFixed(0)]);
    }
    yield '';
    yield 'The main thread while the page works:';
    yield '';
    yield* header([
      'what',
      'seconds',
      'main thread ms of processor',
      'longest task',
      'tasks over 50 ms',
    ]);
    for (const [name, work] of Object.entries(WORKS)) {
      /** @type {Busy[]} */
      const all = [];
      for (let round = 0; round < rounds; round++) all.push(await work(browser, root, folder));
      yield row([
        name,
        median(all.map(({ seconds }) => seconds)).toFixed(1),
        median(all.map(({ busy }) => busy)).toFixed(0),
        taskWords(median(all.map(({ tasks }) => Math.max(0, ...tasks)))),
        median(all.map(({ tasks }) => tasks.length)).toFixed(0),
      ]);
    }
  } finally {
    await browser.close();
  }
}

/** Browsers tell only of tasks of 50 ms and more. @param {number} ms */
function taskWords(ms) {
  return ms === 0 ? 'under 50' : ms.toFixed(0);
}

/** In the page: what the browser tells about it from its beginning. */
function watch() {
  /** @type {{tasks: [number, number][], shift: number, largest: number}} */
  const seen = { tasks: [], shift: 0, largest: 0 };
  Object.assign(globalThis, { seen });
  /** @type {(type: string, take: (entry: any) => void) => void} */
  const on = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({
      type: /** @type {any} */ (type),
      buffered: true,
    });
  on('longtask', ({ startTime, duration }) => seen.tasks.push([startTime, duration]));
  on('largest-contentful-paint', ({ startTime }) => {
    seen.largest = startTime;
  });
  on('layout-shift', ({ value, hadRecentInput }) => {
    if (!hadRecentInput) seen.shift += value;
  });
}

/**
 * @param {import('playwright').Browser} browser
 * @param {string} url
 * @param {number} [processor]
 */
async function visit(browser, url, processor = 1) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.addInitScript(watch);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const devtools = await context.newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: processor });
  // In processor time, which others on the machine take nothing from.
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.goto(url);
  await page.locator('.badge').filter({ hasText: 'Engine ready' }).waitFor();
  const busy = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0);
  };
  return { context, page, busy };
}

/** All that a page loads is there, and nothing goes on. @param {Page} page */
async function settled(page) {
  await page.locator('.badge').filter({ hasText: 'works offline' }).waitFor();
  await page.waitForTimeout(500);
}

/**
 * @param {import('playwright').Browser} browser
 * @param {string} root
 * @param {Conditions} conditions
 * @returns {Promise<Load>}
 */
async function firstVisit(browser, root, { processor, network }) {
  const server = await serveSite(root, network);
  const { context, page } = await visit(browser, server.url, processor);
  try {
    const ready = await page.evaluate(() => performance.now());
    await settled(page);
    const { tasks, shift, largest, first } = await page.evaluate(() => ({
      .../** @type {any} */ (globalThis).seen,
      first: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    }));
    const blocked = tasks.map(([begin, took]) => (begin >= first ? took - 50 : 0));
    return {
      firstPaint: first,
      largestPaint: largest,
      blocking: blocked.reduce((sum, ms) => sum + ms, 0),
      longest: Math.max(0, ...tasks.map(([, took]) => took)),
      shift,
      ready,
    };
  } finally {
    await context.close();
    server.stop();
  }
}

/**
 * @param {import('playwright').Browser} browser
 * @param {string} root
 * @param {string} folder
 */
async function sent(browser, root, folder) {
  const server = await serveSite(root);
  const { context, page } = await visit(browser, server.url);
  const sumOf = (/** @type {import('./bench-server.mjs').Served[]} */ files) => ({
    requests: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  });
  try {
    const { served } = server;
    // The worker and all that it loads.
    const engine = served.findIndex(({ path }) => /worker|monoquant-/.test(path));
    const atView = served.slice(0, engine);
    await settled(page);
    const view = served.findIndex(({ path }) => /model-view-/.test(path));
    const atEngine = served.slice(0, view);
    const all = served.length;
    writeModel(join(folder, 'small.safetensors'), 'F32', 67_108_864);
    await chosen(page, join(folder, 'small.safetensors'));
    // Apart from the browser's own look whether there is a newer service worker.
    const dropped = served.slice(all).filter(({ path }) => path !== 'service-worker.js');
    return Object.entries({
      'the page is there and takes a model': sumOf(atView),
      'the engine is ready': sumOf(atEngine),
      'everything works offline': sumOf(served.slice(0, all)),
      'a model is dropped then (more)': sumOf(dropped),
    });
  } finally {
    await context.close();
    server.stop();
  }
}

/** Opens a model, until its plan is there. @param {Page} page @param {string} path */
async function chosen(page, path) {
  await page.locator('.drop input[type=file]').first().setInputFiles(path);
  await page.locator('.result .ratio').first().waitFor();
}

/** @typedef {{seconds: number, busy: number, tasks: number[]}} Busy */

/**
 * @param {{page: Page, busy: () => Promise<number>}} visitor
 * @param {() => Promise<void>} work
 * @returns {Promise<Busy>}
 */
async function during({ page, busy }, work) {
  const begin = await page.evaluate(() => performance.now());
  const before = await busy();
  await work();
  const seconds = (await page.evaluate(() => performance.now())) - begin;
  // What the work has left to draw.
  await page.waitForTimeout(500);
  const after = await busy();
  const tasks = await page.evaluate(
    (since) =>
      /** @type {any} */ (globalThis).seen.tasks
        .filter(([start]) => start >= since)
        .map(([, took]) => took),
    begin,
  );
  return { seconds: seconds / 1000, busy: after - before, tasks };
}

/** @type {Record<string, (browser: import('playwright').Browser, root: string, folder: string) => Promise<Busy>>} */
const WORKS = {
  [`a list of ${TENSORS.toLocaleString('en')} tensors is opened`]: async (...of) => {
    const model = join(of[2], 'many.safetensors');
    if (!existsSync(model)) writeManyTensors(model, 0, TENSORS);
    return inPage(of, async (visitor) => during(visitor, () => chosen(visitor.page, model)));
  },
  [`a run, INT4 of ${RUN_BYTES / 1e6} MB`]: (...of) => {
    const model = join(of[2], 'run.safetensors');
    if (!existsSync(model)) writeModel(model, 'BF16', RUN_BYTES);
    return inPage(of, (visitor) => runOf(visitor, model));
  },
  [`a run, INT4 of ${TENSORS.toLocaleString('en')} tensors`]: (...of) =>
    inPage(of, (visitor) => runOf(visitor, join(of[2], 'many.safetensors'))),
};

/** @param {{page: Page, busy: () => Promise<number>}} visitor @param {string} model */
async function runOf(visitor, model) {
  const { page } = visitor;
  await chosen(page, model);
  await page.getByRole('radio', { name: 'INT4' }).check();
  await page.waitForTimeout(2000);
  return during(visitor, async () => {
    await page.getByRole('button', { name: 'Quantize', exact: true }).click();
    await page.locator('h2.state').filter({ hasText: 'Done' }).waitFor({ state: 'attached' });
  });
}

/**
 * @param {[import('playwright').Browser, string, string]} of
 * @param {(visitor: {page: Page, busy: () => Promise<number>}) => Promise<Busy>} work
 */
async function inPage([browser, root], work) {
  const server = await serveSite(root);
  const visitor = await visit(browser, server.url);
  try {
    await settled(visitor.page);
    return await work(visitor);
  } finally {
    await visitor.context.close();
    server.stop();
  }
}
