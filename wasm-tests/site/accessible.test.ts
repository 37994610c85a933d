/**
 * The page for those who cannot see it, cannot use a mouse, or have a small screen.
 * It exists because none of that shows in a screenshot.
 * Rules are those of WCAG 2.1 A and AA, as far as axe-core can tell, in every state of the page.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright';
import { beforeAll, describe, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { writeLarge } from './large-model.js';
import { type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const AXE = readFileSync(
  join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js'),
  'utf8',
);
const FIXTURES = join(import.meta.dirname, '../fixtures');
const RULES: RunOptions = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
  resultTypes: ['violations'],
};
/** 480 MB: searched, it runs long enough to be looked at. */
const PARTS = 30;
let large = '';

beforeAll(() => {
  large = writeLarge(folder, 'large.safetensors', PARTS);
});

/** What is wrong, with where. */
async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  const found = await page.evaluate(
    (rules) =>
      (window as unknown as { axe: { run(rules: RunOptions): Promise<AxeResults> } }).axe.run(
        rules,
      ),
    RULES,
  );
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  );
}

async function isSound({ page }: Visit, state: string): Promise<void> {
  expect(await violations(page), state).toEqual([]);
  const [content, screen] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content, `${state}: width`).toBeLessThanOrEqual(screen ?? 0);
}

describe.each([320, 1280, 3840])('%d pixels', (width) => {
  it.each(['light', 'dark'] as const)('%s', async (colours) => {
    const visitor = await visit({ isolated: true, width, colours });
    const { page } = visitor;
    await visitor.worksOffline();
    await isSound(visitor, 'empty');

    await visitor.pick(join(FIXTURES, 'safetensors_bad/header_len_max.safetensors'));
    await page.getByRole('alert').waitFor();
    await isSound(visitor, 'an error');

    await visitor.pick(join(FIXTURES, 'torch/hostile/system_proto4.pt'));
    await page.getByText(/not safe to load/).waitFor();
    await isSound(visitor, 'a trap');

    await visitor.openUrl('http://models.example/some/very/long/path/to/a/model.safetensors');
    await page.getByText(/https: URLs only/).waitFor();
    await isSound(visitor, 'a URL that cannot be read');

    await visitor.pick(large);
    await visitor.opened('large.safetensors');
    await visitor.planned();
    await isSound(visitor, 'open');
    await visitor.moreOptions();
    await isSound(visitor, 'more options');
    await page.getByLabel('Leave alone', { exact: true }).fill('layer.1');
    await page.getByRole('alert').waitFor();
    await isSound(visitor, 'choices that do not fit');
    await page.getByLabel('Leave alone', { exact: true }).fill('');
    await page.getByLabel('Scales from').selectOption('mse');
    await visitor.planned();
    await visitor.quantizeButton.click();
    await page.getByText(/^[1-9][\d.]* MB of /).waitFor();
    expect(await page.getByRole('progressbar', { name: 'Quantizing' }).count()).toBe(1);
    const running = await violations(page);
    // It was running all the while.
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(running, 'running').toEqual([]);
    await isSound(visitor, 'cancelled');

    await visitor.tryExample();
    await page.getByText('Size against quality', { exact: true }).click();
    await page.getByLabel('Size of the output').press('ArrowRight');
    await isSound(visitor, 'size against quality');
    await visitor.choose('INT4');
    await visitor.quantize();
    const done = visitor.card('What came out');
    await done.getByRole('button', { name: /^Save compressed/ }).waitFor();
    await isSound(visitor, 'done');
    await done.getByRole('button', { name: 'Validate', exact: true }).click();
    await done.getByText(/^Valid: /).waitFor();
    await visitor.showWorst();
    await isSound(visitor, 'validated, with charts');

    await page.keyboard.press('Escape');
    await page.getByText('The same in words').click();
    await page.getByRole('treegrid').focus();
    await page.keyboard.press('Space');
    await page.getByRole('toolbar').waitFor();
    await isSound(visitor, 'selected, with the map in words');
    await page.getByRole('treegrid').focus();
    await page.keyboard.press('8');
    await page.getByRole('button', { name: 'Select none' }).click();
    await visitor.quantize();
    await visitor.card('Runs side by side').waitFor();
    await isSound(visitor, 'two runs');
    await visitor.showWaysIn();
    await isSound(visitor, 'ways in');
    await page.getByRole('button', { name: 'Try an example' }).click();
    await page.getByRole('dialog').waitFor();
    await isSound(visitor, 'a question');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.locator('body').click({ position: { x: 1, y: 1 } });
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await isSound(visitor, 'keys');
    await page.keyboard.press('Escape');
    for (const activity of ['Convert', 'Compare', 'Inspect']) {
      await page.getByRole('radio', { name: activity }).check();
      await isSound(visitor, activity);
    }
  });
});

describe.each([320, 3840])('a classifier in %d pixels', (width) => {
  it.each(['light', 'dark'] as const)('%s', async (colours) => {
    const visitor = await visit({ width, colours });
    const { page } = visitor;
    await page.getByRole('button', { name: 'Draw a digit' }).click();
    await visitor.opened('digits.safetensors');
    await page.getByRole('slider').fill('2');
    await page.getByRole('checkbox', { name: /^the first and the last layer/ }).check();
    const lost = page.getByRole('button', { name: /^Show an image that only float gets right/ });
    await lost.click({ timeout: 120_000 });
    await isSound(visitor, 'answers of a classifier');
  });
});

describe.each([320, 1280])('a conversation in %d pixels', (width) => {
  it.each(['light', 'dark'] as const)('%s', async (colours) => {
    const visitor = await visit({ width, colours });
    const { page } = visitor;
    const files = page.locator('.drop input[type=file]').nth(1);
    await files.setInputFiles(join(FIXTURES, 'llama_cpp/llama'));
    await page.getByRole('button', { name: 'Make both and start' }).waitFor();
    await isSound(visitor, 'an offer to talk');
    await page.getByRole('button', { name: 'Make both and start' }).click();
    await page.getByRole('button', { name: 'Ask both' }).click();
    await expect.poll(() => page.getByText(/^\d+ tokens, /).count(), { timeout: 60_000 }).toBe(2);
    await isSound(visitor, 'answers of a language model');
  });
});

/** Presses a key until what is asked for has the focus, as somebody without a mouse does. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const seen: string[] = [];
  for (let presses = 0; presses < 120; presses++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement | null;
      if (element === null || element === document.body) return { name: '', ring: true };
      const label = element instanceof HTMLInputElement ? element.labels?.[0] : undefined;
      const { outlineStyle } = getComputedStyle(element);
      const around = label === undefined ? '' : getComputedStyle(label as Element).outlineStyle;
      return {
        name: element.ariaLabel ?? label?.textContent ?? element.textContent ?? '',
        ring: outlineStyle !== 'none' || (around !== '' && around !== 'none'),
      };
    });
    seen.push(focused.name);
    expect(focused.ring, `a ring around "${focused.name}"`).toBe(true);
    if (name.test(focused.name)) return;
  }
  throw new Error(`There is no way to ${name} by Tab, only to ${seen.join(' | ')}.`);
}

/** Opens a model; answers what it is called. */
type WayIn = (visitor: Visit) => Promise<string>;

const WAYS_IN: readonly (readonly [what: string, open: WayIn])[] = [
  [
    'the example',
    async ({ page }) => {
      await tabTo(page, /^Try an example$/);
      await page.keyboard.press('Enter');
      return 'example';
    },
  ],
  [
    'a file that is chosen',
    async ({ page }) => {
      await tabTo(page, /^Choose files$/);
      const chooser = page.waitForEvent('filechooser');
      await page.evaluate(() => 0); // the browser knows by then that somebody waits
      await page.keyboard.press('Enter');
      await (await chooser).setFiles(folder.write('mine.safetensors', mixedModel('F32')));
      return 'mine';
    },
  ],
];

it.each(WAYS_IN)('from %s to the saved file by keyboard alone', async (_, openByKeys) => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  const { keyboard } = page;
  const name = await openByKeys(visitor);
  await visitor.opened(`${name}.safetensors`);
  await tabTo(page, /^INT8/);
  await keyboard.press('ArrowDown');
  await expect.poll(() => page.getByRole('radio', { name: 'INT4' }).isChecked()).toBe(true);
  await tabTo(page, /^More options$/);
  await keyboard.press('Enter');
  await page.getByLabel('Scales from').waitFor();
  await visitor.planned();
  await tabTo(page, /^Quantize$/);
  await keyboard.press('Enter');
  await visitor.done();
  // The end of a run is said, and the way goes on from there.
  await tabTo(page, new RegExp(`^Save ${name}-int4\\.safetensors$`));
  const [download] = await Promise.all([page.waitForEvent('download'), keyboard.press('Enter')]);
  expect(download.suggestedFilename()).toBe(`${name}-int4.safetensors`);
  await tabTo(page, /^Validate$/);
  await keyboard.press('Space');
  await visitor
    .card('What came out')
    .getByText(/^Valid: /)
    .waitFor();
});
