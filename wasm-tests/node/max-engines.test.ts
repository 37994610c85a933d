/**
 * No more engines at once than `configure({ maxEngines })` allows.
 * It exists because servers get more calls than they can work on, and a call that waits must not be lost.
 */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { allEnded, countAnew, counted } from '../support/counted-workers.js';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { until } from '../support/poll.js';
import { writeSafetensors } from '../support/safetensors.js';

const { configure, open, quantize } = await import('#package/node');

const root = new Folder();
const model = root.at('model.safetensors');
writeFileSync(model, writeSafetensors(mixedModel('F32')));

async function call(options = {}) {
  const result = await quantize(model, { threads: 1, ...options });
  await result.close();
  return result.report;
}

beforeEach(async () => {
  await until('all engines have ended', allEnded);
  countAnew();
});

afterEach(() => configure({ maxEngines: undefined }));

describe('with at most two engines', () => {
  beforeEach(() => configure({ maxEngines: 2 }));

  it('calls wait for their turn, and take over the engines of those before them', async () => {
    await Promise.all(Array.from({ length: 7 }, () => call()));
    expect(counted.started).toBe(2);
  });

  it('calls are served in their order', async () => {
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        await call({ onProgress: () => order.includes(index) || order.push(index) });
      }),
    );
    expect(order.slice(2)).toEqual([2, 3, 4, 5]);
  });

  it('a call shares its work among no more', async () => {
    expect((await call({ threads: 8 })).engine.threads).toBe(2);
    expect(counted.started).toBe(2);
  });

  it('calls that fail give their turns back', async () => {
    const failing = () => failureOf(call({ ignore: ['nothing'] }));
    await Promise.all(Array.from({ length: 4 }, failing));
    const missing = () => failureOf(quantize(root.at('nowhere.safetensors')));
    await Promise.all(Array.from({ length: 4 }, missing));
    await call();
  });

  it('a call that is aborted while it waits leaves at once, and nobody else does', async () => {
    const controller = new AbortController();
    const before = [call(), call()];
    const waiting = failureOf(call({ signal: controller.signal }));
    const after = call();
    controller.abort();
    expect((await waiting).code).toBe('aborted');
    await Promise.all([...before, after]);
    expect(counted.started).toBe(2);
  });
});

it('models that are only open are in nobody’s way', async () => {
  configure({ maxEngines: 1 });
  const first = await open(model);
  const second = await open(model);
  await call();
  const [one, other] = await Promise.all([first, second].map((each) => each.tensor('fc.weight')));
  expect(one?.bytes).toEqual(other?.bytes);
  await first.close();
  await second.close();
});

it('a model can be closed while a call of it waits', async () => {
  configure({ maxEngines: 1 });
  const opened = await open(model);
  let isDone = false;
  const before = call({ bits: 4 }).then(() => {
    isDone = true;
  });
  const waiting = failureOf(opened.tensor('fc.weight'));
  await new Promise((resolve) => setImmediate(resolve)); // it is in the queue
  const closed = opened.close();
  expect((await waiting).code).toBe('aborted');
  expect(isDone).toBe(false);
  await Promise.all([closed, before]);
});

it('a higher limit lets those who wait begin', async () => {
  configure({ maxEngines: 1 });
  const calls = [call(), call(), call()];
  configure({ maxEngines: 3 });
  await Promise.all(calls);
  expect(counted.started).toBe(3);
});

it('is a whole number; what is not named stays as it is', async () => {
  for (const maxEngines of [0, 1.5, -1, '2', null]) {
    expect(() => configure({ maxEngines: maxEngines as number })).toThrow('maxEngines');
  }
  configure({ maxEngines: 1 });
  configure({ workerUrl: undefined });
  await Promise.all([call(), call()]);
  expect(counted.started).toBe(1);
});
