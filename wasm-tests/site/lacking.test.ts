/**
 * What the device or the browser lacks: room, or WebAssembly.
 * It exists because both are found out late, and by people who cannot tell what is wrong.
 * Chromium itself is told of a smaller disk; what it then refuses is its own doing.
 */
import { chromium } from 'playwright';
import { beforeAll, expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { writeLarge } from './large-model.js';
import { SiteServer } from './server.js';
import { LAUNCH, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
let large = '';

beforeAll(() => {
  // 120 MB of INT8: more than is kept in memory.
  large = writeLarge(folder, 'large.safetensors', 30);
});

it('no room: told before the run, told after it, and mended', async () => {
  const visitor = await visit();
  const { page, server } = visitor;
  await visitor.worksOffline();
  const browser = await page.context().newCDPSession(page);
  const { origin } = server;
  await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 40e6 });
  // Its estimate does not know.
  await page.evaluate(() => {
    navigator.storage.estimate = () => Promise.resolve({ quota: 40e6, usage: 0 });
  });
  await visitor.pick(large);
  await visitor.opened('large.safetensors');
  await visitor.choose('INT8');
  await visitor.planned();
  await page.getByText(/^The output takes 12\d\.\d MB, and this browser keeps/).waitFor();
  await visitor.quantizeButton.click();
  const alert = page.getByRole('alert').filter({ hasText: 'The run failed.' });
  await alert.waitFor();
  expect(await alert.innerText()).toMatch(/storage|space|room/);
  expect(await visitor.card('What came out').count()).toBe(0);
  await expect.poll(() => visitor.privateFiles()).toEqual([]);

  await browser.send('Storage.overrideQuotaForOrigin', { origin });
  await visitor.quantize();
  expect(await alert.count()).toBe(0);
});

it('no WebAssembly: a sentence instead of the page', async () => {
  const server = await SiteServer.start();
  const browser = await chromium.launch(LAUNCH);
  try {
    const page = await browser.newPage();
    await page.addInitScript(() => {
      Reflect.deleteProperty(globalThis, 'WebAssembly');
    });
    await page.goto(server.url);
    await page.getByText('This browser has no WebAssembly, which monoquant needs.').waitFor();
  } finally {
    await browser.close();
    await server.stop();
  }
});

it('no scripts: the page says what it needs', async () => {
  const server = await SiteServer.start();
  const browser = await chromium.launch(LAUNCH);
  try {
    const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
    await page.goto(server.url);
    await page.getByText('the browser is too old or scripts are turned off').waitFor();
  } finally {
    await browser.close();
    await server.stop();
  }
});
