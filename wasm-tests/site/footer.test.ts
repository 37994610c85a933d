/**
 * The foot of the page: which version it is, and where more can be found.
 * It exists because links to addresses that nobody has are worse than none.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { visitors } from './visit.js';

const visit = visitors();
const SCRIPT = join(import.meta.dirname, '../../scripts/site-links.mjs');
const { siteLinks } = (await import(SCRIPT)) as {
  siteLinks(manifest: object, source?: string): { title: string; url: string }[];
};
const MANIFEST = { name: 'monoquant', version: '1.2.3', private: true };

describe('links', () => {
  it('lead nowhere if nobody has said where the project is', () => {
    expect(siteLinks(MANIFEST)).toEqual([]);
    expect(siteLinks({ ...MANIFEST, repository: 'somewhere' })).toEqual([]);
    expect(siteLinks(MANIFEST, 'javascript:alert(1)')).toEqual([]);
  });

  it.each([
    'git+https://code.example/me/monoquant.git',
    'git@code.example:me/monoquant.git',
    'https://code.example/me/monoquant/',
  ])('lead to the repository: %s', (url) => {
    const links = siteLinks({ ...MANIFEST, repository: { url } });
    expect(links.map(({ title }) => title)).toEqual(['Source']);
    expect(links[0]?.url).toBe('https://code.example/me/monoquant');
    expect(siteLinks(MANIFEST, url)).toEqual(links);
  });

  it('lead to hosts that npm has short names for', () => {
    const [link] = siteLinks({ ...MANIFEST, repository: 'github:me/monoquant' });
    expect(link?.url).toBe('https://github.com/me/monoquant');
  });
});

it('has the version, the notices, and says what to try without a network', async () => {
  const { page, server } = await visit();
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
  );
  expect(await page.locator('footer').innerText()).toContain(`monoquant ${version}`);
  expect(await page.locator('.lead').innerText()).toMatch(
    /nothing is uploaded\. Turn your network off and try\.$/,
  );
  for (const link of await page.locator('footer a').all()) {
    const address = new URL((await link.getAttribute('href')) ?? '', server.url);
    if (address.origin === server.origin) {
      expect((await page.request.get(address.href)).status(), address.href).toBe(200);
    } else expect(address.protocol).toBe('https:');
  }
});
