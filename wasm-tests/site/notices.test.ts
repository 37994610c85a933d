/**
 * What went wrong is told where it is seen, wherever the page is scrolled to; and that something can be dropped, too.
 */
import { join } from 'node:path';
import type { Locator } from 'playwright';
import { expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const good = folder.write('good.safetensors', mixedModel('F32'));
const BAD = join(import.meta.dirname, '../fixtures/safetensors_bad/header_len_max.safetensors');

async function isInSight(what: Locator): Promise<boolean> {
  const box = await what.boundingBox();
  const height = what.page().viewportSize()?.height ?? 0;
  return box !== null && box.y >= 0 && box.y + box.height <= height;
}

it('a file that cannot be opened, far down the page', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.pick(good);
  await visitor.opened('good.safetensors');
  await visitor.planned();
  await page.evaluate(() => scrollTo(0, 600));
  await visitor.pick(BAD);
  const alert = page.getByRole('alert').filter({ hasText: 'This could not be opened.' });
  await alert.waitFor();
  expect(await page.evaluate(() => scrollY)).toBeGreaterThan(400);
  expect(await isInSight(alert)).toBe(true);
  await page.getByRole('button', { name: 'Close the message' }).click();
  await alert.waitFor({ state: 'detached' });
});

it('choices that do not work, while the field for them is in sight', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.pick(good);
  await visitor.opened('good.safetensors');
  await visitor.moreOptions();
  const field = page.getByLabel('Leave alone', { exact: true });
  await field.fill('no.such.tensor');
  await field.scrollIntoViewIfNeeded();
  const alert = page.getByRole('alert').filter({ hasText: 'These choices do not work.' });
  await alert.waitFor();
  expect(await isInSight(field)).toBe(true);
  expect(await isInSight(alert)).toBe(true);
});

it('something that is held above the page', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await visitor.pick(good);
  await visitor.opened('good.safetensors');
  await page.evaluate(() => scrollTo(0, 600));
  const transfer = await page.evaluateHandle(() => {
    const made = new DataTransfer();
    made.items.add(new File(['x'], 'x.safetensors'));
    return made;
  });
  await page.dispatchEvent('body', 'dragover', { dataTransfer: transfer });
  const veil = page.getByText('Let go to open it here.');
  await veil.waitFor();
  expect(await isInSight(veil)).toBe(true);
  await page.dispatchEvent('body', 'dragleave', { dataTransfer: transfer });
  await veil.waitFor({ state: 'detached' });
});

it('a link that is dropped is not asked for, and stands where it can be', async () => {
  const visitor = await visit();
  const { page } = visitor;
  const requests = visitor.requests.length;
  const transfer = await page.evaluateHandle(() => {
    const made = new DataTransfer();
    made.setData('text/uri-list', 'https://models.example/tiny.safetensors');
    return made;
  });
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
  await page.getByText('What was dropped is a link, and nothing was read.').waitFor();
  expect(await page.getByLabel('or paste a URL').inputValue()).toBe(
    'https://models.example/tiny.safetensors',
  );
  const later = visitor.requests.slice(requests).map((request) => request.url());
  expect(later.filter((url) => url.includes('models.example'))).toEqual([]);
});
