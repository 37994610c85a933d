/**
 * The page in Firefox for those who cannot see it or have a small screen: the rules of site/accessible.test.ts.
 * It exists because sizes, colours and controls are another program's there.
 * States of the main job; the others are looked at in Chromium.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { SiteServer } from '../site/server.js';
import { Folder } from '../support/cli.js';
import { mixedModel } from '../support/models.js';
import { Firefox, type FirefoxPage } from './firefox.js';

vi.setConfig({ testTimeout: 300_000 });

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));
const NODE_MODULES = join(import.meta.dirname, '../../node_modules');
const AXE = readFileSync(join(NODE_MODULES, 'axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];
/** What content is told of the system's colours. */
const SCHEME = 'layout.css.prefers-color-scheme.content-override';
const SCHEMES = { dark: 0, light: 1 };

async function isSound(page: FirefoxPage, state: string): Promise<void> {
  const found = await page.evaluate(
    `axe.run({ runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations'] }).then(({ violations }) =>
      JSON.stringify(violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => [id, target, failureSummary]))))`,
  );
  expect(JSON.parse(found), state).toEqual([]);
  const wider = `document.documentElement.scrollWidth - document.documentElement.clientWidth`;
  expect(Number(await page.evaluate(wider)), `${state}: width`).toBeLessThanOrEqual(0);
}

const button = (words: string) =>
  `Array.from(document.querySelectorAll('button:enabled')).find(({ textContent }) => textContent.trim() === '${words}')`;
const isDone = `Array.from(document.querySelectorAll('h2')).some(({ textContent }) => textContent === 'Done')`;

it.each(['light', 'dark'] as const)('%s, in 320 and in 3840 pixels', async (colours) => {
  const firefox = await Firefox.launch({ [SCHEME]: SCHEMES[colours] });
  const server = await SiteServer.start({ isolated: true });
  try {
    const page = await firefox.open(server.url);
    const isDark = `matchMedia('(prefers-color-scheme: dark)').matches`;
    expect(await page.evaluate(isDark)).toBe(String(colours === 'dark'));
    await page.until(`document.body.innerText.includes('Engine ready')`);
    await page.evaluate(`(() => { ${AXE}\n; return true; })()`);
    const inBoth = async (state: string) => {
      for (const width of [320, 3840]) {
        await page.resize(width, 900);
        await isSound(page, `${state}, ${width} pixels`);
      }
    };
    await inBoth('empty');
    await page.setFiles('.drop input[type=file]', [model]);
    await page.until(button('Quantize'));
    await page.evaluate(`document.querySelector('details.more summary').click()`);
    await inBoth('open');
    await page.evaluate(`${button('Quantize')}.click()`);
    await page.until(isDone);
    await inBoth('done');
    await page.evaluate(`document.querySelector('.result .short').click()`);
    await page.until(`document.querySelectorAll('.histogram canvas').length > 1`);
    await inBoth('a tensor');
  } finally {
    await server.stop();
    await firefox.close();
  }
});
