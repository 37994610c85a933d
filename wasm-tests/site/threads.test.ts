/**
 * Threads on hosts that send no headers for them: by the visitor's wish, and back.
 * It exists because most static hosts send none, and a page must work there all the same.
 * Whatever runs, the bytes are the same.
 */
import { expect, it } from 'vitest';
import { type Visit, visitors } from './visit.js';

const visit = visitors();

/** What the card of a finished run says that it ran on. */
async function engineOf(visitor: Visit): Promise<string> {
  return visitor
    .card('What came out')
    .locator('.facts div')
    .filter({ hasText: 'Engine' })
    .locator('dd')
    .innerText();
}

async function runExample(visitor: Visit): Promise<{ engine: string; sha256: string }> {
  await visitor.tryExample();
  await visitor.quantize();
  return { engine: await engineOf(visitor), sha256: (await visitor.save()).sha256 };
}

it.each(['/', '/some/folder/'])(
  'plain host, in %s: one thread, more by wish, and back',
  async (folder) => {
    const visitor = await visit({ folder });
    const { page } = visitor;
    expect(await visitor.badge('one thread').count()).toBe(1);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    const first = await runExample(visitor);
    expect(first.engine).toBe('one thread');

    await visitor.worksOffline();
    await page.getByRole('button', { name: 'Use more threads' }).click();
    await visitor.badge('2 threads').waitFor();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    const second = await runExample(visitor);
    expect(second.engine).toBe('2 threads');
    expect(second.sha256).toBe(first.sha256);

    // Still so at the next visit, and without a network.
    await visitor.worksOffline();
    await visitor.server.stop();
    await page.reload();
    await visitor.badge('2 threads').waitFor();
    expect((await runExample(visitor)).sha256).toBe(first.sha256);

    await page.getByRole('button', { name: 'Back to one' }).click();
    await visitor.badge('one thread').waitFor();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(await runExample(visitor)).toEqual(first);
  },
);

it('isolated host: threads at once, and no wish to be asked for', async () => {
  const visitor = await visit({ isolated: true });
  expect(await visitor.badge('2 threads').count()).toBe(1);
  await visitor.worksOffline();
  expect(await visitor.page.getByRole('button', { name: /threads|Back to one/ }).count()).toBe(0);
  expect((await runExample(visitor)).engine).toBe('2 threads');
});
