/**
 * The page's main job in Firefox: a model in, a quantized one out, the bytes that the command writes.
 * It exists because half of what the page stands on (private files, workers, downloads) is another program there.
 * The other tests of the site drive Chromium.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { SiteServer } from '../site/server.js';
import { sha256Of } from '../site/visit.js';
import { Folder, monoquant } from '../support/cli.js';
import { FileServer, forPages } from '../support/file-server.js';
import { mixedModel } from '../support/models.js';
import { Firefox } from './firefox.js';

/** A service worker that takes long to settle is waited for. */
vi.setConfig({ testTimeout: 180_000 });

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));

let firefox: Firefox;
beforeAll(async () => {
  firefox = await Firefox.launch();
});
afterAll(() => firefox.close());

/** A button that can be pressed, by its words. */
const button = (words: string) =>
  `Array.from(document.querySelectorAll('button:enabled')).find(({ textContent }) => /^${words}$/.test(textContent.trim()))`;

/** The one file that was downloaded, once it is whole. */
async function downloaded(): Promise<Buffer> {
  let path = '';
  await expect
    .poll(
      () => {
        const names = readdirSync(firefox.downloads);
        path = join(firefox.downloads, names[0] ?? '');
        return (
          names.length === 1 && names[0]?.endsWith('.safetensors') && readFileSync(path).length > 0
        );
      },
      { timeout: 30_000 },
    )
    .toBe(true);
  const bytes = readFileSync(path);
  rmSync(path);
  return bytes;
}

const HOSTS = [true, false].flatMap((isolated) =>
  ['picked', 'behind a URL'].map((how) => ({ isolated, how })),
);

it.each(HOSTS)(
  'a model that is $how is quantized as the command does it, isolated: $isolated',
  async ({ isolated, how }) => {
    const server = await SiteServer.start({ isolated });
    const host = await FileServer.start({ 'model.safetensors': readFileSync(model) }, forPages);
    try {
      const page = await firefox.open(server.url);
      await page.until(`document.body.innerText.includes('Engine ready')`);
      expect(await page.evaluate('crossOriginIsolated')).toBe(String(isolated));
      if (how === 'picked') await page.setFiles('.drop input[type=file]', [model]);
      else {
        const url = JSON.stringify(host.url('model.safetensors'));
        const input = `document.querySelector('.url input')`;
        await page.evaluate(`${input}.value = ${url}`);
        await page.evaluate(`${input}.dispatchEvent(new Event('input', { bubbles: true }))`);
        await page.evaluate(`${button('Open')}.click()`);
      }
      await page.until(button('Quantize'));
      await page.evaluate(`${button('Quantize')}.click()`);
      await page.until(
        `Array.from(document.querySelectorAll('h2')).some(({ textContent }) => textContent === 'Done')`,
      );

      const output = folder.at(`isolated-${isolated}.safetensors`);
      const { code, stderr } = await monoquant('quantize', model, '-o', output, '--force');
      expect(code, stderr).toBe(0);
      await page.evaluate(`${button('Save .+[.]safetensors')}.click()`);
      expect(sha256Of(await downloaded())).toBe(sha256Of(readFileSync(output)));
      expect(page.complaints).toEqual([]);
    } finally {
      await server.stop();
      await host.close();
    }
  },
);
