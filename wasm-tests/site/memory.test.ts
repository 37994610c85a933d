/**
 * Models larger than any memory: opened at once, and quantized in a flat amount of it.
 * It exists because a tab that takes too much is killed without a word.
 * What counts is what the system says of the browser's processes while they work.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { expect, it } from 'vitest';
import { Folder } from '../support/cli.js';
import { DEEP } from '../support/deep.js';
import { LAUNCH, Visit, visitors } from './visit.js';

const folder = new Folder();
const visit = visitors();
const MEGABYTE = 1e6;

/** Processes that this one started, by themselves or through others. */
function descendants(): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(statusOf(Number(entry)))?.[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [...(children.get(process.pid) ?? [])];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Nothing where the process is gone. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

function isRenderer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--type=renderer');
  } catch {
    return false;
  }
}

/** Bytes in memory of everything that shows pages and runs their workers. */
function rendererBytes(): number {
  return descendants()
    .filter(isRenderer)
    .reduce((sum, pid) => {
      const resident = /^VmRSS:\s+(\d+) kB$/m.exec(statusOf(pid))?.[1];
      return sum + Number(resident ?? 0) * 1024;
    }, 0);
}

/** A quarter of a gigabyte each; together more than a tab may take. */
const PARTS = DEEP ? 8 : 4;
const MODEL_BYTES = PARTS * 16384 * 4096 * 4;
const MODEL_NAME = 'large.safetensors';
/** Both kinds of page read alike; the engine with threads takes more. */
const ISOLATED = DEEP ? [true, false] : [true];
/** Blocks of four slots, the engine, copies on their way. */
const MOST_MORE = 400 * MEGABYTE;
const MOST_HEAP = 100 * MEGABYTE;

it.runIf(process.platform === 'linux').each(ISOLATED)(
  `${PARTS / 4} GB are quantized in a tab of 400 MB, isolated: %s`,
  async (isolated) => {
    const model = folder.writeSparse(MODEL_NAME, PARTS, [16384, 4096]);
    // With a profile on the disk, as visitors have one: others keep private files in memory.
    const profile = mkdtempSync(join(tmpdir(), 'monoquant-profile-'));
    const context = await chromium.launchPersistentContext(profile, LAUNCH);
    let visitor: Visit | undefined;
    try {
      visitor = await Visit.begin(context, { isolated });
      const { page } = visitor;
      await visitor.worksOffline();
      const idle = rendererBytes();
      expect(idle).toBeGreaterThan(20 * MEGABYTE);
      await visitor.pick(model);
      await visitor.opened(MODEL_NAME);
      await visitor.planned();
      const planned = await page.evaluate(
        () => document.querySelector('.after .value')?.textContent,
      );

      let peak = 0;
      let samples = 0;
      const watch = setInterval(() => {
        peak = Math.max(peak, rendererBytes());
        samples++;
      }, 50);
      const begin = performance.now();
      await visitor.quantizeButton.click();
      await visitor.card('What came out').waitFor({ timeout: 120_000 });
      const seconds = (performance.now() - begin) / 1000;
      clearInterval(watch);
      expect(samples).toBeGreaterThan(5);

      const devtools = await context.newCDPSession(page);
      await devtools.send('Performance.enable');
      const { metrics } = await devtools.send('Performance.getMetrics');
      const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
      console.info(
        `${PARTS / 4} GB, isolated: ${isolated}: ${seconds.toFixed(1)} s, renderers ${Math.round(idle / MEGABYTE)} MB idle, ${Math.round(peak / MEGABYTE)} MB at most, heap of the page ${Math.round(heap / MEGABYTE)} MB`,
      );
      expect(peak - idle).toBeLessThan(MOST_MORE);
      expect(heap).toBeLessThan(MOST_HEAP);

      // The output has the size that was planned, on the disk and on the page.
      const sizes = await page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const files = await root.getDirectoryHandle('monoquant');
        const found: number[] = [];
        for await (const name of files.keys()) {
          found.push((await (await files.getFileHandle(name)).getFile()).size);
        }
        return found;
      });
      expect(sizes).toHaveLength(1);
      expect(sizes[0]).toBeGreaterThan(MODEL_BYTES / 4);
      expect(sizes[0]).toBeLessThan(MODEL_BYTES / 4 + 2 * MEGABYTE);
      const shown = await visitor.card('Result').locator('.after .value').innerText();
      expect(shown).toBe(planned);
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        visitor.card('What came out').getByRole('button', { name: 'Save the report' }).click(),
      ]);
      const report = JSON.parse(readFileSync(await download.path(), 'utf8'));
      expect(report.sizes.outputBytes).toBe(sizes[0]);
    } finally {
      await (visitor === undefined ? context.close() : visitor.end());
      rmSync(profile, { recursive: true, force: true });
      rmSync(model);
    }
    expect(visitor.complaints).toEqual([]);
  },
  180_000,
);

it.each([true, false])('20 GB are listed at once, isolated: %s', async (isolated) => {
  const model = folder.writeSparse('20gb.safetensors', 80, [16384, 4096]);
  const visitor = await visit({ isolated });
  await visitor.page.evaluate(() => {
    const times = window as unknown as { chosen?: number; listed?: number };
    const input = document.querySelector('input[type=file]');
    input?.addEventListener(
      'change',
      () => {
        times.chosen = performance.now();
      },
      { capture: true },
    );
    const look = () => {
      if (document.querySelector('.tensor-row [role=gridcell]') === null)
        requestAnimationFrame(look);
      else times.listed = performance.now();
    };
    look();
  });
  await visitor.pick(model);
  await visitor.opened('20gb.safetensors');
  const milliseconds = await visitor.page.evaluate(() => {
    const { chosen, listed } = window as unknown as { chosen?: number; listed?: number };
    return (listed ?? Number.NaN) - (chosen ?? Number.NaN);
  });
  console.info(`20 GB, isolated: ${isolated}: first row after ${Math.round(milliseconds)} ms`);
  // Well under a second, on a machine that has nothing else to do.
  expect(milliseconds).toBeLessThan(5000);
  expect(await visitor.page.locator('.facts').first().innerText()).toMatch(/21[,.]\d/);
});
