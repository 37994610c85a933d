// The benchmark's table of the package in a page of Chromium, beside raw copies in the same browser.
// Why: what a page may take is what its browser takes for the bytes alone, from a File into a private file.
// Always: rounds alternate everything that is compared; every job works on the same chosen file.

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { ensurePackages } from './apt.mjs';
import { header, row } from './bench-files.mjs';
import { writeModel } from './bench-model.mjs';
import { median, processorSeconds, quantile, renderers, residentBytes } from './bench-process.mjs';
import { serve } from './bench-server.mjs';
import { BuildError, findOnPath } from './run.mjs';

/** A job that takes longer hangs. */
const PATIENCE_MS = 300_000;

/**
 * @typedef {{call: string, threads?: number}} PageJob `call`: what the page is asked to do
 * @typedef {object} Figures
 * @property {number} seconds
 * @property {number} processor seconds of all of the browser's processes
 * @property {number} memory bytes that pages and their workers took more than before
 */

/** What all others are divided by: a stream that fills the memory that is written from, the fastest that we found. */
const COPY = 'raw copy';

const QUANTIZED = {
  'INT8, 2 threads': { bits: 8, threads: 2 },
  'INT8, 1 thread': { bits: 8, threads: 1 },
  'INT4 rtn, 2 threads': { bits: 4, method: 'rtn', threads: 2 },
};

/** What the page imports from: this checkout's package, and the one that it may be compared with. */
const OURS = 'package';
const BESIDE = 'beside';

/**
 * @param {'F32' | 'BF16'} dtype
 * @param {boolean} isBeside whether there is another package
 * @returns {Record<string, PageJob>}
 */
function jobsFor(dtype, isBeside) {
  const copy = (/** @type {string} */ way, share = 1) => ({ call: `copyFile('${way}', ${share})` });
  const written = dtype === 'F32' ? 0.25 : 0.5;
  /** @type {Record<string, PageJob>} */
  const jobs = {
    [COPY]: copy('byob'),
    [`raw copy, ${written} written`]: copy('byob', written),
    'raw copy, other streams': copy('stream'),
    'raw copy, slices of 8 MiB': copy('slices'),
  };
  for (const [name, options] of Object.entries(QUANTIZED)) {
    const { threads } = options;
    const quantize = (/** @type {string} */ from) =>
      `quantizeFile('/${from}', ${JSON.stringify(options)})`;
    jobs[name] = { call: quantize(OURS), threads };
    if (isBeside) jobs[`${name}, beside`] = { call: quantize(BESIDE), threads };
  }
  return jobs;
}

/**
 * @param {import('./bench-files.mjs').Job} job
 * @returns {AsyncGenerator<string>}
 */
export async function* benchPage(job) {
  const { root, folder, bytes, rounds } = job;
  if (!existsSync(join(root, 'dist', 'site', '_headers'))) {
    throw new BuildError('The page is not built: run npm install first.');
  }
  if (findOnPath('dpkg-query') !== undefined) await ensurePackages(['chromium'], 'the page');
  yield '';
  yield `In a page of Chromium, ${(bytes / 1e9).toFixed(1)} GB, ${rounds} rounds, beside a raw copy of the same File into a private file (OPFS) in the same browser. Below 1.00 is faster than that copy.`;
  yield '';
  const columns = ['from', 'to', '/ copy', 'quartiles', 'processor s', 'MB more'];
  yield* header(columns);
  for (const dtype of /** @type {const} */ (['F32', 'BF16'])) {
    const model = join(folder, `${dtype}.safetensors`);
    writeModel(model, dtype, bytes);
    const measured = await measure(job, model, jobsFor(dtype, job.beside !== undefined));
    const copies = measured[COPY].map(({ seconds }) => seconds);
    for (const [name, all] of Object.entries(measured)) {
      const seconds = all.map((figures) => figures.seconds);
      const ratios = seconds.map((value, round) => value / copies[round]);
      const cells = [
        (median(seconds) / median(copies)).toFixed(2),
        [0.25, 0.75].map((share) => quantile(ratios, share).toFixed(2)).join('–'),
        median(all.map(({ processor }) => processor)).toFixed(2),
        (Math.max(...all.map(({ memory }) => memory)) / 1e6).toFixed(0),
      ];
      yield row([
        dtype,
        name === COPY ? `${name}, ${median(copies).toFixed(2)} s` : name,
        ...cells,
      ]);
    }
    rmSync(model);
  }
}

/**
 * The first round warms up and does not count.
 * @param {import('./bench-files.mjs').Job} job
 * @param {string} model
 * @param {Record<string, PageJob>} jobs
 */
async function measure({ root, folder, rounds, beside }, model, jobs) {
  const packages = { [OURS]: join(root, 'dist'), ...(beside && { [BESIDE]: beside }) };
  const server = await serve(root, packages);
  // A profile with files, as visitors have one: others keep private files in memory.
  const profile = join(folder, 'profile');
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  try {
    const page = await context.newPage();
    await page.goto(server.url);
    if (!(await page.evaluate('crossOriginIsolated'))) throw new BuildError('No isolated page.');
    await page.setInputFiles('input', model);
    /** @type {Record<string, Figures[]>} */
    const measured = Object.fromEntries(Object.keys(jobs).map((name) => [name, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const [name, job] of Object.entries(jobs)) {
        const figures = await timedInPage(page, job);
        if (round > 0) measured[name].push(figures);
      }
    }
    return measured;
  } finally {
    await context.close();
    server.stop();
    rmSync(profile, { recursive: true, force: true });
  }
}

/**
 * @param {import('playwright').Page} page
 * @param {PageJob} job
 * @returns {Promise<Figures>}
 */
async function timedInPage(page, { call, threads }) {
  const pids = renderers();
  const idle = residentBytes(pids);
  let most = idle;
  const poll = setInterval(() => {
    most = Math.max(most, residentBytes(pids));
  }, 50);
  /** @type {NodeJS.Timeout | undefined} */
  let patience;
  /** @type {Promise<never>} */
  const hangs = new Promise((_, reject) => {
    const seconds = PATIENCE_MS / 1000;
    const hung = () => reject(new BuildError(`${call} takes longer than ${seconds} s.`));
    patience = setTimeout(hung, PATIENCE_MS);
  });
  const before = processorSeconds();
  try {
    const { seconds, engine } = await Promise.race([page.evaluate(call), hangs]);
    if (engine?.threads !== threads) {
      throw new BuildError(`${call} ran on ${engine.threads} threads.`);
    }
    return { seconds, processor: processorSeconds() - before, memory: most - idle };
  } finally {
    clearTimeout(patience);
    clearInterval(poll);
  }
}
