/**
 * "Save report" and the page on paper: what somebody passes on.
 * It exists because a report that needs the page, a script or a server is none; and the command writes the same.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const DIGITS = join(import.meta.dirname, '../../examples/digits.safetensors');

async function savedReport({ page }: Visit, as: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save report', exact: true }).click(),
  ]);
  const path = folder.at(as);
  await download.saveAs(path);
  expect(download.suggestedFilename()).toMatch(/-report\.html$/);
  return path;
}

/** Times differ from run to run, and folders of loaders from place to place. */
function comparable(html: string): string {
  return html
    .replace(/<dt>(time|output)<\/dt><dd>[^<]*<\/dd>/g, '')
    .replace(/<pre>npx monoquant quantize [^<]*<\/pre>/, '');
}

it('is the file that the command writes', async () => {
  const visitor = await visit();
  await visitor.pick(DIGITS);
  await visitor.opened('digits.safetensors');
  await visitor.choose('INT4');
  await visitor.quantize();
  const path = await savedReport(visitor, 'page.html');
  const words = ['quantize', DIGITS, '--bits', '4', '-o', folder.at('digits-int4.safetensors')];
  const { code, stderr } = await monoquant(...words, '--report', folder.at('command.html'));
  expect(code, stderr).toBe(0);
  const [page, command] = [path, folder.at('command.html')].map((file) =>
    readFileSync(file, 'utf8'),
  );
  expect(comparable(page ?? '')).toBe(comparable(command ?? ''));
  // Tensors with errors, totals, options, version, use.
  for (const part of [
    'fc1.weight',
    'INT4 group 128',
    '6.49×',
    'SQNR',
    'Made with monoquant',
    'load_file',
  ]) {
    expect(page).toContain(part);
  }
  expect(page).toContain('&quot;bits&quot;: 4');
});

it('needs no script, no style and no request, and nothing is lost on paper', async () => {
  const visitor = await visit();
  await visitor.tryExample();
  await visitor.choose('INT4');
  await visitor.quantize();
  const path = await savedReport(visitor, 'alone.html');
  const html = readFileSync(path, 'utf8');
  expect(html).not.toMatch(/<script|<link|<img|src=|@import|url\(/);
  const paper = await visitor.page.context().newPage();
  const requests: string[] = [];
  paper.on('request', (request) => requests.push(request.url()));
  await paper.goto(`file://${path}`);
  expect(requests).toEqual([`file://${path}`]);
  await paper.setViewportSize({ width: 700, height: 900 });
  await paper.emulateMedia({ media: 'print' });
  // What is folded away on a screen is there, within the width of the paper.
  expect(await paper.getByText('"groupSize": 128').isVisible()).toBe(true);
  expect(await paper.getByText('lm_head.weight').first().isVisible()).toBe(true);
  const [content, width] = await paper.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content).toBeLessThanOrEqual(width ?? 0);
});

it('a copy in another container is called so', async () => {
  const visitor = await visit();
  await visitor.tryExample();
  await visitor.page.getByRole('radio', { name: 'Convert' }).check();
  await visitor.page.getByRole('button', { name: 'Convert', exact: true }).click();
  await visitor.done();
  const html = readFileSync(await savedReport(visitor, 'copy.html'), 'utf8');
  expect(html).toContain('<h1>Conversion of example.safetensors</h1>');
  expect(html).toContain('npx monoquant convert example.safetensors');
});

it('the page on paper has the result, and nothing to press', async () => {
  const visitor = await visit({ colours: 'dark' });
  const { page } = visitor;
  await visitor.tryExample();
  await visitor.quantize();
  await page.emulateMedia({ media: 'print' });
  for (const words of ['What came out', 'Use it', 'Do it again']) {
    expect(await page.getByRole('heading', { name: words }).isVisible(), words).toBe(true);
  }
  const buttons = page.locator('main .button:visible, main input:visible, main select:visible');
  expect(await buttons.count()).toBe(0);
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
    'rgb(255, 255, 255)',
  );
});
