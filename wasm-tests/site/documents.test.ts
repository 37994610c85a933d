/**
 * The documents as pages of the site: reached from the page, complete, and asking nobody else for anything.
 * It exists because a link that leads nowhere is found by readers first.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SITE } from './server.js';
import { visitors } from './visit.js';

const visit = visitors();
const SCRIPT = join(import.meta.dirname, '../../scripts/site-documents.mjs');
const { htmlOf } = (await import(SCRIPT)) as {
  htmlOf(markdown: string, link: (target: string) => string | undefined): string;
};
const DOCS = join(SITE, 'docs');
const pages = readdirSync(DOCS).filter((name) => name.endsWith('.html'));

describe('Markdown', () => {
  const html = (markdown: string) => htmlOf(markdown, (target) => `to:${target}`);
  it.each([
    [
      'signs are text',
      'a < b & `c < **d**` **e**',
      '<p>a &lt; b &amp; <code>c &lt; **d**</code> <strong>e</strong></p>',
    ],
    [
      'a bar behind a backslash',
      '| a | b |\n|---|---:|\n| `x \\| y` | 1 |',
      '<td><code>x | y</code></td><td class="number">1</td>',
    ],
    [
      'what belongs to an item',
      '1. one:\n   ```sh\n   run it\n   ```\n2. two',
      '<li><p>one:</p>\n<pre tabindex="0"><code>run it</code></pre></li>\n<li>two</li>',
    ],
    ['places', '## What `--log` holds, at last', '<h2 id="what---log-holds-at-last">'],
    ['links', '[there](a.md#b)', '<a href="to:a.md#b">there</a>'],
    [
      'nothing of a page',
      '<script>alert(1)</script>',
      '<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>',
    ],
  ])('%s', (_, markdown, expected) => {
    expect(html(markdown)).toContain(expected);
  });
});

it('every link between documents leads to a place that is there', () => {
  const documents = readdirSync(join(import.meta.dirname, '../../docs'));
  for (const name of documents.filter((each) => each.endsWith('.md'))) {
    expect(pages).toContain(name.replace(/md$/, 'html'));
  }
  const broken: string[] = [];
  for (const page of pages) {
    const text = readFileSync(join(DOCS, page), 'utf8');
    for (const [, address = ''] of text.matchAll(/(?:href|src)="([^"]*)"/g)) {
      if (/^https?:|^\.\.\//.test(address)) continue;
      const [file = '', place] = address.split('#');
      const target = file === '' ? page : file;
      const there = readdirSync(join(DOCS, target, '..')).includes(target.replace(/^.*\//, ''));
      const holds = () => readFileSync(join(DOCS, target), 'utf8').includes(`id="${place}"`);
      if (!there || (place !== undefined && !holds())) broken.push(`${page}: ${address}`);
    }
  }
  expect(broken).toEqual([]);
});

it('are reached from the page, also without a network, and load nothing from elsewhere', async () => {
  const visitor = await visit({ isolated: true });
  await visitor.worksOffline();
  const context = visitor.page.context();
  const open = async () => {
    const link = visitor.page.getByRole('link', { name: 'Docs', exact: true });
    const [document] = await Promise.all([context.waitForEvent('page'), link.click()]);
    await document.getByRole('heading', { level: 1, name: 'monoquant' }).waitFor();
    return document;
  };
  const document = await open();
  await document.getByRole('link', { name: 'Using the page' }).first().click();
  await document.getByRole('heading', { level: 1, name: 'Using the page' }).waitFor();
  const drawn = document.getByRole('img', { name: 'The first screen' });
  expect(await drawn.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(
    100,
  );
  await document.close();
  for (const request of visitor.requests) {
    expect(new URL(request.url()).origin).toBe(visitor.server.origin);
  }
  await visitor.server.stop();
  await (await open()).close();
  // What was never read is not there.
  visitor.complaints.length = 0;
});
