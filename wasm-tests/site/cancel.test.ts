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

/** Those that have done their part are still going: the count that stays for a second. */
async function settledWorkers({ page }: Visit): Promise<number> {
  let count = -1;
  let since = performance.now();
  const isSettled = () => {
    if (page.workers().length !== count) since = performance.now();
    count = page.workers().length;
    return performance.now() - since > 1000;
  };
  await expect.poll(isSettled, { timeout: 10_000 }).toBe(true);
  return count;
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
  const idle = await settledWorkers(visitor);
  await visitor.quantizeButton.click();
  // It writes already.
  await page.getByText(/^[1-9][\d.]* MB of /).waitFor();
  expect(page.workers().length).toBeGreaterThan(idle);
  expect(await visitor.privateFiles()).toHaveLength(1);

  expect(await cancel(visitor)).toBeLessThan(1000);
  await expect.poll(() => visitor.privateFiles(), { timeout: 10_000 }).toEqual([]);
  await expect.poll(() => page.workers().length, { timeout: 10_000 }).toBe(idle);
  expect(await visitor.card('Done').count()).toBe(0);
  expect(await method.inputValue()).toBe('mse');

  await visitor.quantize();
  expect(await page.getByText('Cancelled.').count()).toBe(0);
  expect(await visitor.privateFiles()).toHaveLength(1);
  expect((await visitor.save()).sha256).toBe(expected);
  await expect.poll(() => page.workers().length, { timeout: 10_000 }).toBe(idle);
});
