/**
 * Talking to a language model in the tab: both files that answer are those of the command, and nothing is asked of
 * anybody but this site, and of it only what was said.
 */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Folder, monoquant } from '../support/cli.js';
import { headersOf } from './server.js';
import { sha256Of, type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();
const LLAMA = folder.at('llama');
cpSync(join(import.meta.dirname, '../fixtures/llama_cpp/llama'), LLAMA, { recursive: true });

async function openFolder({ page }: Visit): Promise<void> {
  await page.locator('.drop input[type=file]').nth(1).setInputFiles(LLAMA);
  await page.getByRole('heading', { name: 'Talk to it' }).waitFor();
}

async function start({ page }: Visit, format = 'Q4_K_M'): Promise<void> {
  await page.getByLabel('Quantized to').selectOption(format);
  await page.getByRole('button', { name: 'Make both and start' }).click();
  await page.getByRole('button', { name: 'Ask both' }).waitFor({ timeout: 120_000 });
}

async function ask({ page }: Visit, question: string): Promise<void> {
  await page.getByLabel('Question').fill(question);
  await page.getByRole('button', { name: 'Ask both' }).click();
  await expect
    .poll(() => page.locator('.speakers [aria-busy=true]').count(), { timeout: 120_000 })
    .toBe(0);
  await expect.poll(() => page.getByText(/\d+ tokens?, /).count(), { timeout: 120_000 }).toBe(2);
}

async function bytesOf(name: string, words: readonly string[]): Promise<number> {
  const output = ['-o', folder.at(name), '--force', '--json'];
  const { code, stdout, stderr } = await monoquant(...words, ...output);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout).sizes.outputBytes;
}

describe.each([true, false])('isolated: %s', (isolated) => {
  it('float and quantized answer side by side, with the sizes of the files of the command', async () => {
    const visitor = await visit({ isolated });
    const { page } = visitor;
    await openFolder(visitor);
    await start(visitor);
    await ask(visitor, 'a b c');
    const speakers = await page.locator('.speakers section').evaluateAll((found) =>
      found.map((speaker) => ({
        title: speaker.querySelector('h3')?.textContent,
        words: speaker.querySelector('.words')?.textContent,
        pace: speaker.querySelector('.words + .quiet')?.textContent,
      })),
    );
    const sizes = [
      await bytesOf('float.gguf', ['convert', LLAMA]),
      await bytesOf('q4.gguf', ['quantize', LLAMA, '--format', 'Q4_K_M']),
    ];
    expect(speakers).toHaveLength(2);
    for (const [index, { title, words, pace }] of speakers.entries()) {
      expect(title).toContain(`${((sizes[index] ?? 0) / 1000).toFixed(1)} kB`);
      expect(words?.length).toBeGreaterThan(1);
      expect(pace).toMatch(/^\d+ tokens, [\d.]+ a second$/);
    }
    // The same question has the same answer: nothing is left to chance.
    await ask(visitor, 'a b c');
    const again = await page.locator('.speakers .words').allTextContents();
    expect(again).toEqual(speakers.map(({ words }) => words));
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save the quantized one' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('llama-Q4_K_M.gguf');
    const saved = sha256Of(readFileSync(await download.path()));
    expect(saved).toBe(sha256Of(readFileSync(folder.at('q4.gguf'))));
    await page.getByRole('button', { name: 'End' }).click();
    await page.getByRole('button', { name: 'Make both and start' }).waitFor();
    expect(page.frames()).toHaveLength(1);
    expect(await visitor.privateFiles()).toEqual([]);
  });
});

it('fetches what runs it when it is asked for, from this site, once', async () => {
  const visitor = await visit({ isolated: true });
  await visitor.worksOffline();
  await openFolder(visitor);
  const before = visitor.server.requests.length;
  const fetched = () =>
    visitor.server.requests.slice(before).filter((path) => path !== 'service-worker.js');
  expect(fetched().filter((path) => /talk|wllama/.test(path))).toEqual([]);
  await start(visitor);
  const names = fetched().map((path) => path.replace(/-[\w-]{8}(?=\.)/, ''));
  expect(new Set(names)).toEqual(
    new Set(['talk/index.html', 'assets/talk.js', 'assets/wllama.wasm']),
  );
  for (const request of visitor.requests) {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== 'blob:') expect(origin).toBe(visitor.server.origin);
  }
  // From then on without a network.
  await visitor.server.stop();
  await visitor.page.reload();
  await visitor.badge('works offline').waitFor();
  await openFolder(visitor);
  await start(visitor);
});

it('the frame reaches this site alone, and the page makes no code', () => {
  const talk = headersOf('/talk/index.html')['Content-Security-Policy'] ?? '';
  expect(talk).toContain("default-src 'none'");
  expect(talk).toContain("connect-src 'self';");
  expect(talk).toContain("frame-ancestors 'self'");
  expect(talk).not.toMatch(/https?:|'unsafe-(inline|eval)'/);
  expect(headersOf('/')['Content-Security-Policy']).not.toContain('blob:');
});

it('is offered for folders that can talk alone', async () => {
  const visitor = await visit();
  await visitor.tryExample();
  await visitor.planned();
  expect(await visitor.page.getByRole('heading', { name: 'Talk to it' }).count()).toBe(0);
});
