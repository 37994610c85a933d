/**
 * What is only seen: colours that a system forces, lines that end, a head that stays small.
 * It exists because a page can be right in every word and still say nothing.
 */
import { chromium } from 'playwright';
import { expect, it, onTestFinished } from 'vitest';
import { LAUNCH, Visit, visitors } from './visit.js';

const visit = visitors();

it('bars are seen where the system forces its colours', async () => {
  const browser = await chromium.launch(LAUNCH);
  onTestFinished(() => browser.close());
  const visitor = await Visit.begin(await browser.newContext({ forcedColors: 'active' }));
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.quantize();
  const colours = await page.evaluate(() => {
    const of = (selector: string) => {
      const element = document.querySelector(selector);
      return element === null ? '' : getComputedStyle(element).backgroundColor;
    };
    return { bar: of('.result .bar'), track: of('.result .track'), card: of('.result') };
  });
  expect(colours.bar).not.toBe(colours.track);
  expect(colours.bar).not.toBe(colours.card);
  const drawn = await page.evaluate(() => {
    const chosen = document.querySelector('.preset:has(:checked)');
    const other = document.querySelector('.preset:not(:has(:checked))');
    return [chosen, other].map((each) => each && getComputedStyle(each).outlineStyle);
  });
  expect(drawn).toEqual(['solid', 'none']);
  await visitor.end();
});

it('no line of a command ends within a word, and the head of a phone is small', async () => {
  const visitor = await visit({ isolated: true, width: 320 });
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.choose('INT4');
  await visitor.planned();
  const words = page.locator('.plan .command .word');
  expect(await words.allInnerTexts()).toContain('--bits');
  expect((await page.locator('.plan .command').innerText()).replace(/\s+/g, ' ')).toBe(
    await visitor.copied('Copy as command'),
  );
  const torn = await words.evaluateAll((all) =>
    all
      .filter((word) => {
        const range = document.createRange();
        range.selectNodeContents(word);
        return new Set(Array.from(range.getClientRects(), ({ top }) => top)).size > 1;
      })
      .map((word) => word.textContent),
  );
  expect(torn).toEqual([]);
  const head = await page.locator('header.top').boundingBox();
  expect(head?.height ?? 0).toBeGreaterThan(0);
  expect(head?.height).toBeLessThan(100);
});
