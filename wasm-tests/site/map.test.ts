/**
 * The picture of a model: it is chosen in by mouse and by keys, and says the same in words.
 * It exists because a canvas shows nothing to a test, to a screen reader and to a search: what it does has to.
 */
import { expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { weights } from '../support/models.js';
import { writeLarge } from './large-model.js';
import { type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const LAYERS = 6;
const ROLES = ['self_attn.q_proj', 'mlp.up_proj', 'mlp.down_proj'];
const model = folder.write('blocks.safetensors', [
  weights('model.embed_tokens.weight', 'F32', [64, 64]),
  ...Array.from({ length: LAYERS }, (_, layer) =>
    ROLES.map((role, index) =>
      weights(`model.layers.${layer}.${role}.weight`, 'F32', [64, 64 * (index + 1)], layer + 1),
    ),
  ).flat(),
]);
const EXPERTS = 40;
const experts = folder.write('experts.safetensors', [
  ...Array.from({ length: 4 }, (_, layer) =>
    Array.from({ length: EXPERTS }, (_, expert) =>
      weights(`model.layers.${layer}.mlp.experts.${expert}.up_proj.weight`, 'F32', [32, 32]),
    ),
  ).flat(),
]);

const map = ({ page }: Visit) => page.getByRole('application', { name: /^Map of/ });
const command = ({ page }: Visit) => page.locator('.command').innerText();

async function opened(path: string, name: string): Promise<Visit> {
  const visitor = await visit({ isolated: true });
  await visitor.pick(path);
  await visitor.opened(name);
  await visitor.planned();
  await map(visitor).locator('canvas').first().waitFor();
  return visitor;
}

it('by keys: a row of all layers is one pattern, and is said', async () => {
  const visitor = await opened(model, 'blocks.safetensors');
  const { page } = visitor;
  await map(visitor).focus();
  const said = visitor.card('The model').getByRole('status');
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => said.innerText()).toContain('model.layers.0.self_attn.q_proj.weight');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => said.innerText()).toContain('model.layers.1.mlp.up_proj.weight');
  await page.keyboard.press('4');
  await expect.poll(() => said.innerText()).toBe(`All ${LAYERS} up_proj: INT4.`);
  await expect
    .poll(() => command(visitor))
    .toContain("--layer 'model.layers.*.mlp.up_proj.weight=bits:4'");
  await page.keyboard.press('Backspace');
  await expect.poll(() => command(visitor)).not.toContain('--layer');
  // The tensor itself.
  await page.keyboard.press('Enter');
  const inspector = page.getByRole('region', { name: 'model.layers.1.mlp.up_proj.weight' });
  await inspector.waitFor();
  await page.keyboard.press('Escape');
  await inspector.waitFor({ state: 'detached' });
});

it('by mouse: numbers under it, a click for the inspector, a drag for several', async () => {
  const visitor = await opened(model, 'blocks.safetensors');
  const { page } = visitor;
  const canvas = map(visitor).locator('canvas').last();
  const box = await canvas.boundingBox();
  if (box === null) throw new Error('There is no map.');
  // The last row of layers is the highest; the third of six columns, in its lower half.
  const x = box.x + 96 + ((box.width - 96) * 2.5) / LAYERS;
  const y = box.y + box.height * 0.7;
  await page.mouse.move(x, y);
  const tip = page.locator('.tip');
  await tip.waitFor();
  expect(await tip.innerText()).toMatch(/model\.layers\.2\.mlp\.down_proj\.weight\n64×192 F32/);
  await page.mouse.click(x, y);
  await page.getByRole('region', { name: 'model.layers.2.mlp.down_proj.weight' }).waitFor();
  await page.keyboard.press('Escape');
  // Two columns to the right, within the row.
  const step = (box.width - 96) / LAYERS;
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + step, y + 4, { steps: 4 });
  await page.mouse.move(x + 2 * step, y + 4, { steps: 4 });
  await page.mouse.up();
  const bar = page.getByRole('toolbar', { name: 'Choice for the selected tensors' });
  await bar.getByText(/^3 tensors selected/).waitFor();
  await bar.getByRole('button', { name: 'Leave alone' }).click();
  for (const layer of [2, 3, 4]) {
    await expect
      .poll(() => command(visitor))
      .toContain(`--layer model.layers.${layer}.mlp.down_proj.weight=bits:none`);
  }
  // A row by its name.
  await page.keyboard.press('Escape');
  await page.mouse.click(box.x + 10, y);
  await bar.getByText(new RegExp(`^${LAYERS} tensors selected`)).waitFor();
});

it('experts of one layer are one pattern', async () => {
  const visitor = await opened(experts, 'experts.safetensors');
  const { page } = visitor;
  const box = await map(visitor).locator('canvas').last().boundingBox();
  if (box === null) throw new Error('There is no map.');
  const x = box.x + 96 + (box.width - 96) / 8;
  await page.mouse.move(x, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(x + 8, box.y + 70, { steps: 4 });
  await page.mouse.up();
  await page.getByText(new RegExp(`^${EXPERTS} tensors selected`)).waitFor();
  await page.keyboard.press('Escape');
});

it('the same in words, before and after a run', async () => {
  const visitor = await opened(model, 'blocks.safetensors');
  const { page } = visitor;
  await page.getByText('The same in words').click();
  const table = page.getByRole('group', { name: 'The map in words' }).getByRole('table');
  const row = table.getByRole('row', { name: /up_proj/ });
  expect(await row.innerText()).toMatch(
    /model\.layers: up_proj\s+6\s+196\.6 kB\s+[\d.]+ kB\s+8 bits/,
  );
  await visitor.quantize();
  await expect.poll(() => row.innerText()).toMatch(/\d\d\.\d dB/);
  // What the colours mean is told with the numbers at their ends.
  expect(await page.locator('.legend').innerText()).toMatch(/\d dB[\s\S]+\d dB/);
});

it('it fills while a run goes on', async () => {
  const large = writeLarge(folder, 'large.safetensors', 24);
  const visitor = await opened(large, 'large.safetensors');
  const { page } = visitor;
  await visitor.moreOptions();
  await page.getByLabel('Scales from').selectOption('mse');
  await visitor.planned();
  // How opaque the first and the last layer are: what is still to come is faint.
  const shades = () =>
    page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.map canvas');
      const pen = canvas?.getContext('2d');
      if (canvas === null || pen == null) throw new Error('There is no map.');
      const scale = canvas.width / canvas.clientWidth;
      const step = (canvas.clientWidth - 96) / 24;
      const alphaAt = (layer: number) => {
        const x = Math.round((96 + (layer + 0.4) * step) * scale);
        return pen.getImageData(x, Math.round(canvas.height / 2), 1, 1).data[3] ?? 0;
      };
      return [alphaAt(0), alphaAt(23)] as const;
    });
  expect(await shades()).toEqual([255, 255]);
  await visitor.quantizeButton.click();
  await expect
    .poll(async () => {
      const [first, last] = await shades();
      return first === 255 && last < 100;
    })
    .toBe(true);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect.poll(shades).toEqual([255, 255]);
});

it('no task is long under the pointer, with thousands of tensors', async () => {
  const many = folder.write(
    'many.safetensors',
    Array.from({ length: 40 }, (_, layer) =>
      Array.from({ length: 100 }, (_, expert) =>
        weights(`model.layers.${layer}.mlp.experts.${expert}.up_proj.weight`, 'F32', [16, 64]),
      ),
    ).flat(),
  );
  const visitor = await opened(many, 'many.safetensors');
  const { page } = visitor;
  const box = await map(visitor).locator('canvas').last().boundingBox();
  if (box === null) throw new Error('There is no map.');
  await page.waitForTimeout(500);
  await page.evaluate(() => {
    const long: number[] = [];
    Object.assign(window, { long });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) long.push(duration);
    }).observe({ type: 'longtask' });
  });
  for (let step = 0; step < 20; step++) {
    await page.mouse.move(box.x + 120 + step * 20, box.y + 40 + step * 10);
  }
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await page.keyboard.press('Escape');
  await page.waitForTimeout(200);
  const long = await page.evaluate(() => (window as unknown as { long: number[] }).long);
  console.info(`4,000 tensors under the pointer: tasks over 50 ms: ${long.map(Math.round)}`);
  // A busy machine makes anything late now and then.
  expect(long.length).toBeLessThan(4);
});
