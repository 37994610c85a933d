/**
 * The choices in the page's address: a link repeats them for any model, and says nothing of files.
 */
import { expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const model = folder.write('secret-name.safetensors', mixedModel('F32'));

it('choices are in it, and come back with it', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  expect(new URL(page.url()).hash).toBe('');
  await visitor.pick(model);
  await visitor.opened('secret-name.safetensors');
  expect(new URL(page.url()).hash).toBe('');
  await visitor.choose('INT4');
  await visitor.moreOptions();
  await page.getByLabel('One scale for').selectOption('32');
  await page.getByLabel('Leave alone', { exact: true }).fill('lstm.*');
  await visitor.chooseFor('fc.weight', '8');
  await visitor.planned();
  const command = await visitor.copied('Copy as command');
  const { hash } = new URL(page.url());
  expect(hash).toContain('bits=4');
  expect(hash).not.toContain('secret');

  await page.goto('about:blank');
  await page.goto(`${visitor.server.url}${hash}`);
  await visitor.badge('Engine ready').waitFor();
  await visitor.pick(model);
  await visitor.opened('secret-name.safetensors');
  await visitor.planned();
  expect(await visitor.copied('Copy as command')).toBe(command);
  // No server hears of it.
  expect(visitor.server.requests.join(' ')).not.toContain('bits');
});

it.each([
  'bits=5&groupSize=x',
  'ignore=&overrides={',
  'nonsense',
  'bits=16&groupSize=32',
  'key=a.b',
])('what cannot be is passed over: %s', async (fragment) => {
  const visitor = await visit({ isolated: true });
  await visitor.page.goto('about:blank');
  await visitor.page.goto(`${visitor.server.url}#${fragment}`);
  await visitor.badge('Engine ready').waitFor();
  await visitor.tryExample();
  await visitor.quantize();
});
