/**
 * Size against quality before any run: what the handle chooses is what the plan has and the run makes.
 */
import { expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { weights } from '../support/models.js';
import { type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const model = folder.write(
  'model.safetensors',
  Array.from({ length: 3 }, (_, layer) => [
    weights(`model.layers.${layer}.self_attn.q_proj.weight`, 'F32', [128, 256], 10 + layer),
    weights(`model.layers.${layer}.mlp.down_proj.weight`, 'F32', [256, 256], 30 + layer),
  ]).flat(),
);

async function opened(options: Parameters<typeof visit>[0]): Promise<Visit> {
  const visitor = await visit(options);
  await visitor.pick(model);
  await visitor.opened('model.safetensors');
  await visitor.planned();
  await visitor.page.getByText('Size against quality', { exact: true }).click();
  await visitor.page.getByLabel('Size of the output').waitFor();
  return visitor;
}

it('what the handle chooses is what the run does', async () => {
  const visitor = await opened({ isolated: true });
  const { page } = visitor;
  const handle = page.getByLabel('Size of the output');
  const before = await handle.getAttribute('aria-valuetext');
  expect(before).toMatch(/bits a weight/);
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT, fullPage: true });
  await handle.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  const words = (await handle.getAttribute('aria-valuetext')) ?? '';
  expect(words).not.toBe(before);
  const bits = Number(/([\d.]+) bits a weight/.exec(words)?.[1]);
  await visitor.planned();
  const plan = visitor.card('The plan');
  await plan.getByText(/bits a weight of these layers/).waitFor();
  const planned = (await plan.textContent()) ?? '';
  expect(Number(/: ([\d.]+) bits a weight of these layers/.exec(planned)?.[1])).toBeCloseTo(
    bits,
    1,
  );
  for (const preset of ['INT8', 'INT4', 'FP16']) {
    expect(await page.getByRole('radio', { name: preset }).isChecked()).toBe(false);
  }
  expect(new URL(page.url()).hash).toMatch(/budget=[\d.]+bpw/);
  await visitor.quantize();
  const expected = Number(/^([\d.]+) kB/.exec(words)?.[1]);
  const result = (await visitor.card('Result').locator('.after .value').textContent()) ?? '';
  expect(Math.abs(Number.parseFloat(result) / expected - 1)).toBeLessThan(0.02);
  expect((await visitor.save()).name).toBe('model-mixed.safetensors');
  // A preset is no budget.
  await visitor.choose('INT4');
  await visitor.planned();
  expect(new URL(page.url()).hash).not.toContain('budget');
});
