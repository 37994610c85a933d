// The matrix of consumers: fresh projects with the packed package, built by their own tools, that quantize a file.
// Why: a checkout and its tests resolve and load everything; what bundlers and runtimes make of it shows only in them.
// Always: the file that comes out has the bytes that the command writes; a consumer that hangs fails.
//
// node scripts/consumers.mjs [NAME ...] [--save] [--keep]
//   --save writes docs/consumers.md, --keep leaves the projects; names are those of wasm-tests/consumers/consumers.json

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { quantizeInPage, serveFolder } from './consumer-page.mjs';
import { saveTable } from './consumer-table.mjs';
import { pack } from './pack.mjs';
import { BuildError, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const TEMPLATES = join(ROOT, 'wasm-tests/consumers');
/** What every project gets. */
const SHARED = ['page.js', 'main.js', 'index.html', 'program.mjs', 'program.cjs'];
const MODEL = join(ROOT, 'examples/digits.safetensors');
/** Where the engine must have threads. */
const ISOLATED = 'isolated page';
/** Whatever takes longer hangs. */
const PATIENCE_MS = 600_000;

/**
 * @typedef {object} Consumer
 * @property {string} what for people
 * @property {Record<string, string>} packages exact versions
 * @property {object} [manifest] what the user writes into package.json
 * @property {string} [template] a folder with files of its own
 * @property {string[]} [build] what a user types
 * @property {string} [page] the folder that a static host would serve
 * @property {string} [serve] a server of its own, before the number of its port
 * @property {string[]} [routes] addresses of that server which quantize on the server
 * @property {string[]} [programs] each prints what it has made
 * @property {string[]} [checks] each ends well or not; `$TARBALL` is the package
 *
 * @typedef {{name: string, consumer: Consumer, found: string[], failure?: string, seconds: number}} Outcome
 */

await runMain(main);

async function main() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { save: { type: 'boolean' }, keep: { type: 'boolean' } },
  });
  /** @type {Record<string, Consumer>} */
  const all = JSON.parse(readFileSync(join(TEMPLATES, 'consumers.json'), 'utf8'));
  const unknown = positionals.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined) {
    throw new BuildError(
      `There is no consumer "${unknown}"; there are ${Object.keys(all).join(', ')}.`,
    );
  }
  const names = positionals.length === 0 ? Object.keys(all) : positionals;
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-consumers-'));
  /** @type {Outcome[]} */
  const outcomes = [];
  try {
    const tarball = join(folder, (await pack(folder)).filename);
    const expected = hashOfCommand(folder);
    for (const name of names) {
      const outcome = await tryOut(name, all[name], join(folder, name), tarball, expected);
      outcomes.push(outcome);
      if (values.save) saveTable(join(ROOT, 'docs/consumers.md'), outcome, Object.keys(all));
      const verdict = outcome.failure ?? outcome.found.join(', ');
      process.stdout.write(`${outcome.failure ? 'FAILED' : 'ok    '} ${name}: ${verdict}\n`);
    }
  } finally {
    if (!values.keep) rmSync(folder, { recursive: true, force: true });
    else process.stdout.write(`The projects are in ${folder}\n`);
  }
  const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
  process.stdout.write(`${outcomes.length - failed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** @param {string} folder */
function hashOfCommand(folder) {
  const output = join(folder, 'expected.safetensors');
  const words = [join(ROOT, 'dist/node/cli.js'), 'quantize', MODEL, '--bits', '4', '-o', output];
  const { stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (status !== 0) throw new BuildError(stderr);
  return createHash('sha256').update(readFileSync(output)).digest('hex');
}

/**
 * @param {string} name
 * @param {Consumer} consumer
 * @param {string} project a folder to be made
 * @param {string} tarball
 * @param {string} expected
 * @returns {Promise<Outcome>}
 */
async function tryOut(name, consumer, project, tarball, expected) {
  const start = performance.now();
  /** @type {string[]} */
  const found = [];
  const outcome = (/** @type {string | undefined} */ failure) => ({
    name,
    consumer,
    found,
    ...(failure === undefined ? {} : { failure }),
    seconds: (performance.now() - start) / 1000,
  });
  try {
    setUp(consumer, project, tarball);
    await shell('npm install --no-audit --no-fund --loglevel=error', project);
    for (const line of consumer.build ?? []) await shell(line, project);
    for (const line of consumer.checks ?? []) {
      await shell(`TARBALL='${tarball}'; ${line}`, project);
      found.push('clean');
    }
    for (const result of await results(consumer, project)) {
      const isRight = result.where !== ISOLATED || result.engine?.kind === 'mt';
      if (result.sha256 !== expected || !isRight) throw new BuildError(JSON.stringify(result));
      found.push(`${result.where} (${result.engine.kind})`);
    }
    return outcome(undefined);
  } catch (error) {
    return outcome(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {Consumer} consumer
 * @param {string} project
 * @param {string} tarball
 */
function setUp(consumer, project, tarball) {
  mkdirSync(project);
  for (const file of SHARED) cpSync(join(TEMPLATES, file), join(project, file));
  if (consumer.template !== undefined) {
    cpSync(join(TEMPLATES, consumer.template), project, { recursive: true });
  }
  cpSync(MODEL, join(project, 'model.safetensors'));
  const dependencies = { monoquant: `file:${tarball}`, ...consumer.packages };
  const own = { name: 'consumer', private: true, type: 'module', dependencies };
  const manifest = { ...own, ...consumer.manifest };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest, undefined, 2));
}

/**
 * @param {Consumer} consumer
 * @param {string} project
 */
async function results({ page, serve, routes = [], programs = [] }, project) {
  const all = [];
  for (const line of programs) {
    const output = await shell(line, project);
    const result = JSON.parse(/\{"sha256".*\}/.exec(output)?.[0] ?? JSON.stringify({ output }));
    all.push({ where: line.split(' ').pop(), ...result });
  }
  if (page !== undefined) {
    for (const isolated of [false, true]) {
      const server = await serveFolder(join(project, page), isolated);
      try {
        const result = await quantizeInPage(server.url, MODEL, PATIENCE_MS);
        all.push({ where: isolated ? ISOLATED : 'page', ...result });
      } finally {
        server.stop();
      }
    }
  }
  if (serve !== undefined) {
    const port = 20_000 + (process.pid % 20_000);
    const url = `http://127.0.0.1:${port}`;
    const server = start(`exec ${serve} ${port}`, project);
    try {
      await answers(url);
      all.push({ where: 'page', ...(await quantizeInPage(url, MODEL, PATIENCE_MS)) });
      for (const route of routes) {
        const response = await fetch(url + route);
        const text = await response.text();
        if (!response.ok)
          throw new BuildError(`${route}: ${response.status} ${text.slice(0, 500)}`);
        all.push({ where: `route ${route}`, ...JSON.parse(text) });
      }
    } finally {
      server.stop();
    }
  }
  return all;
}

/** @param {string} url */
async function answers(url) {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    try {
      await fetch(url);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  throw new BuildError(`Nobody answers at ${url}.`);
}

/**
 * @param {string} line
 * @param {string} cwd
 */
function start(line, cwd) {
  // As npm runs scripts, but not as a part of an npm that runs this one.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|VITEST|NODE_OPTIONS)/.test(name),
  );
  const env = {
    ...Object.fromEntries(own),
    PATH: [join(cwd, 'node_modules/.bin'), process.env.PATH].join(delimiter),
    NEXT_TELEMETRY_DISABLED: '1',
  };
  const child = spawn('sh', ['-c', line], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) =>
      resolve(code === 0 ? undefined : (signal ?? `exit ${code}`)),
    );
  });
  const stop = () => {
    try {
      // The whole group: tools start workers.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  return { ended, stop, output: () => output };
}

/**
 * @param {string} line
 * @param {string} cwd
 * @returns {Promise<string>} what it printed
 */
async function shell(line, cwd) {
  const program = start(line, cwd);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    program.stop();
  }, PATIENCE_MS);
  const reason = await program.ended;
  clearTimeout(timer);
  if (reason === undefined) return program.output();
  const why = isLate ? 'hangs' : reason;
  throw new BuildError(`${line}: ${why}\n${program.output().slice(-3000)}`);
}
