/**
 * A model of thousands of tensors in the table: few rows in the page, quick to search, sort and walk through.
 * It exists because thousands of rows make every keystroke slow.
 * Only by keyboard, as far as it goes.
 */
import { expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const COUNT = 5000;
const model = folder.write(
  'many.safetensors',
  Array.from({ length: COUNT }, (_, index) => ({
    name: `model.layers.${index}.${index % 2 === 0 ? 'mlp.up_proj' : 'self_attn.q_proj'}.weight`,
    dtype: 'F32' as const,
    shape: [16, 32 + (index % 7)],
    bytes: new Uint8Array(16 * (32 + (index % 7)) * 4).fill(index & 15),
  })),
);

it('5,000 tensors', async () => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.pick(model);
  await visitor.opened('many.safetensors');
  const card = visitor.card('Tensors');
  const table = card.getByRole('treegrid');
  const status = card.getByRole('status');
  const names = () => table.locator('.rows bdi.name').allTextContents();
  const shown = async (count: string) => {
    await expect.poll(() => status.innerText()).toBe(count);
    await expect.poll(() => table.getByRole('row').count()).toBeGreaterThan(1);
    expect(await table.getByRole('row').count()).toBeLessThan(100);
  };
  await shown('5,000');
  // One module in all, whose layers are too many to be shown at once.
  const layers = table.getByRole('row', { name: /model\.layers/ });
  expect(await layers.getAttribute('aria-expanded')).toBe('false');
  await table.focus();
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => table.getAttribute('aria-rowcount')).toBe(String(COUNT + 2));
  expect((await names())[0]).toContain('model.layers.0.');

  // To the end, by keyboard.
  await table.focus();
  await page.keyboard.press('End');
  await expect.poll(names).toContainEqual(expect.stringContaining('model.layers.4999.'));
  await shown('5,000');
  const last = table.getByRole('row').last();
  expect(await last.getAttribute('aria-rowindex')).toBe(String(COUNT + 2));

  // A search: words in any order, over names and decisions.
  const search = card.getByRole('searchbox');
  await search.focus();
  await page.keyboard.type('q_proj 499');
  await shown('10 of 5,000');
  for (const name of await names()) expect(name).toMatch(/499.*q_proj/);
  await search.fill('no such tensor');
  await card.getByText('No tensor fits this search.').waitFor();
  await search.fill('');
  await shown('5,000');

  const keystroke = await page.evaluate(async () => {
    const box = document.querySelector<HTMLInputElement>('input[type=search]');
    if (box === null) throw new Error('There is no search.');
    const times: number[] = [];
    for (const text of ['m', 'mo', 'mod', 'modx', 'mod', 'mo', 'm', '4', '49', '']) {
      const begin = performance.now();
      box.value = text;
      box.dispatchEvent(new InputEvent('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      times.push(performance.now() - begin);
    }
    return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
  });
  console.info(`a keystroke among 5,000 tensors: ${keystroke.toFixed(1)} ms until painted`);
  // A twentieth of that on an idle machine.
  expect(keystroke).toBeLessThan(500);

  // Sorting: up, down, and back to the order of the file.
  const header = table.getByRole('columnheader', { name: 'Tensor' });
  const sort = header.getByRole('button');
  await table.focus();
  await page.keyboard.press('Home');
  const first = async () => (await names())[0];
  for (const [direction, expected] of [
    ['ascending', 'model.layers.0.'],
    ['descending', 'model.layers.4999.'],
    ['none', 'model.layers.0.'],
  ] as const) {
    await sort.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => header.getAttribute('aria-sort')).toBe(direction);
    await expect.poll(first).toContain(expected);
  }
  const bytes = table.getByRole('columnheader', { name: 'Size' });
  await bytes.getByRole('button').press('Enter');
  await bytes.getByRole('button').press('Enter');
  await expect.poll(first).toContain('model.layers.6.');

  // A row by keyboard: its details, and a choice of its own.
  await search.fill('6.mlp.up_proj');
  await table.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  const name = /model\.layers\.\d*6\.mlp\.up_proj\.weight/.exec((await first()) ?? '')?.[0] ?? '';
  const inspector = page.getByRole('region', { name, exact: true });
  await inspector.waitFor();
  await page.keyboard.press('8');
  const command = () => page.locator('.command').innerText();
  await expect.poll(command).toContain(`--layer ${name}=bits:8`);
  await page.keyboard.press('Backspace');
  await expect.poll(command).not.toContain('--layer');
  await page.keyboard.press('Escape');
  await inspector.waitFor({ state: 'detached' });
  // Three of them at once.
  await page.keyboard.press('Space');
  await page.keyboard.press('Shift+ArrowDown');
  await page.keyboard.press('Shift+ArrowDown');
  await page.getByText(/^3 tensors selected/).waitFor();
  await page.keyboard.press('4');
  await expect.poll(async () => (await command()).split('--layer').length - 1).toBe(3);
  await page.keyboard.press('Escape');
  await page.getByText(/^3 tensors selected/).waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  expect(await search.evaluate((element) => element === document.activeElement)).toBe(true);
  await search.blur();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'detached' });
});
