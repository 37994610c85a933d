/**
 * Engines that wait for the next call.
 * It exists because starting one takes longer than most calls, and because what waits must hold nothing and nobody.
 * Workers are counted where the package gets them from; descriptors where the system shows them.
 */
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, it } from 'vitest';
import { Folder, shell } from '../support/cli.js';
import { allEnded, countAnew, counted } from '../support/counted-workers.js';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { until } from '../support/poll.js';
import { writeSafetensors } from '../support/safetensors.js';

const { load, open, quantize } = await import('#package/node');

const root = new Folder();
const model = root.at('model.safetensors');
writeFileSync(model, writeSafetensors(mixedModel('F32')));

async function call(options = {}): Promise<void> {
  await (await quantize(model, { threads: 1, ...options })).close();
}

beforeEach(async () => {
  await until('all engines have ended', allEnded);
  countAnew();
});

it('serves calls one after the other', async () => {
  await call();
  await call({ bits: 4, groupSize: 32 });
  await (await load(model)).close();
  expect(counted).toEqual({ started: 1, ended: 0 });
});

it('serves calls after an error', async () => {
  await call();
  await failureOf(call({ ignore: ['nothing'], layers: { nothing: { bits: 4 } } }));
  await call();
  expect(counted.started).toBe(1);
});

it('is one for each call at a time', async () => {
  await Promise.all([call(), call(), call()]);
  expect(counted.started).toBe(3);
  await Promise.all([call(), call(), call()]);
  expect(counted.started).toBe(3);
});

it('is not the one that was asked for something else', async () => {
  await call();
  await call({ engine: 'mt' });
  expect(counted.started).toBe(2);
});

it('is never one that was ended in the middle', async () => {
  const controller = new AbortController();
  const options = { signal: controller.signal, onProgress: () => controller.abort() };
  expect((await failureOf(call(options))).code).toBe('aborted');
  expect(counted).toEqual({ started: 1, ended: 1 });
  await call();
  expect(counted.started).toBe(2);
});

it('ends soon', async () => {
  await call();
  await until('it has ended', allEnded);
});

it.runIf(process.platform === 'linux')('holds no file', async () => {
  const opened = await open(model);
  await opened.close();
  const links = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ''; // that of the folder itself
    }
  });
  expect(links).not.toContain(model);
  expect(allEnded()).toBe(false);
});

it('keeps no process', async () => {
  const script = root.at('script.mjs');
  const entry = new URL('../../dist/node/index.js', import.meta.url).href;
  // If the process waited for it, the engine would end first.
  const text = `
    import { syncBuiltinESMExports } from 'node:module';
    import threads from 'node:worker_threads';
    let ended = 0;
    threads.Worker = class extends threads.Worker {
      constructor(...given) {
        super(...given);
        this.on('exit', () => { ended += 1; });
      }
    };
    syncBuiltinESMExports();
    const { load } = await import(${JSON.stringify(entry)});
    await (await load(${JSON.stringify(model)})).close();
    process.on('exit', () => console.log(ended));
  `;
  writeFileSync(script, text);
  const { stdout } = await shell(`node ${script}`);
  expect(stdout.trim()).toBe('0');
});
