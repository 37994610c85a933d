/**
 * A run that is ended: at once, without a trace, and as if it had never been.
 * It exists because runs of large models are ended more often than finished.
 * The scales are searched, so that the run lasts long enough to be ended in the middle.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { writeLarge } from './large-model.js';
import { sha256Of, type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const PARTS = 18;
let model = '';
let expected = '';

beforeAll(async () => {
  model = writeLarge(folder, 'large.safetensors', PARTS);
  const output = folder.at('expected.safetensors');
  const { code } = await monoquant('quantize', model, '--method', 'mse', '-o', output);
  expect(code).toBe(0);
  expected = sha256Of(readFileSync(output));
});

/** How many milliseconds pass until the page says that the run is over, counted in the page. */
function cancel({ page }: Visit): Promise<number> {
  return page.evaluate(async () => {
    const button = Array.from(document.querySelectorAll('button')).find(
      ({ textContent }) => textContent === 'Cancel',
    );
    if (button === undefined) throw new Error('There is nothing to cancel.');
    const begin = performance.now();
    button.click();
    while (!document.body.innerText.includes('Cancelled.')) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return performance.now() - begin;
  });
}

/** Engines: of threads within them, which end with them, the browser tells too late. */
function engines({ page }: Visit): number {
  return page.workers().filter((worker) => /\/worker-[^/]*\.js$/.test(worker.url())).length;
}

it.each([true, false])('isolated: %s', async (isolated) => {
  const visitor = await visit({ isolated });
  const { page } = visitor;
  await visitor.worksOffline();
  await visitor.pick(model);
  await visitor.opened('large.safetensors');
  await visitor.moreOptions();
  const method = page.getByLabel('Scales from');
  await method.selectOption('mse');
  await visitor.planned();
  // That of the open model; the one before it may still be going.
  await expect.poll(() => engines(visitor), { timeout: 10_000 }).toBe(1);
  await visitor.quantizeButton.click();
  // It writes already.
  await page.getByText(/^[1-9][\d.]* MB of /).waitFor();
  expect(engines(visitor)).toBe(1);
  expect(await visitor.privateFiles()).toHaveLength(1);

  expect(await cancel(visitor)).toBeLessThan(1000);
  await expect.poll(() => visitor.privateFiles(), { timeout: 10_000 }).toEqual([]);
  // The next call starts another.
  await expect.poll(() => engines(visitor), { timeout: 10_000 }).toBe(0);
  expect(await visitor.card('What came out').count()).toBe(0);
  expect(await method.inputValue()).toBe('mse');

  await visitor.quantize();
  expect(await page.getByText('Cancelled.').count()).toBe(0);
  expect(await visitor.privateFiles()).toHaveLength(1);
  expect((await visitor.save()).sha256).toBe(expected);
  await expect.poll(() => engines(visitor), { timeout: 10_000 }).toBe(1);
});
