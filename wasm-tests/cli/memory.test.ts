/**
 * Memory that does not grow with the model, and metadata that is read without reading the model.
 * It exists because a checkpoint is larger than the memory of the machine that shrinks it.
 * Files are sparse: their zeros cost time but no disk.
 */
import { readFileSync, rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CLI, Folder, start } from '../support/cli.js';
import { DEEP } from '../support/deep.js';
import { parsePlan, parseReport } from '../support/schema.js';

const folder = new Folder();
const MEGABYTE = 1e6;
/** Several times what is allowed; a part is 268 MB. */
const PARTS = DEEP ? 16 : 4;

/** Runs the command and watches how much memory it ever had in use. */
async function watched(...words: string[]): Promise<{ stdout: string; peakBytes: number }> {
  const { child, finished } = start(process.execPath, [CLI, ...words]);
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, highWaterMark(child.pid));
  }, 20);
  const { code, stdout, stderr } = await finished.finally(() => clearInterval(watch));
  expect(code, stderr).toBe(0);
  return { stdout, peakBytes };
}

/** The system's own record; 0 when the process is gone. */
function highWaterMark(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

it.runIf(process.platform === 'linux')(
  `${PARTS / 4} GB are quantized in under 200 MB`,
  async () => {
    const model = folder.writeSparse('large.safetensors', PARTS, [16384, 4096]);
    const output = folder.at('output.safetensors');
    const words = ['--bits', '4', '--threads', '2', '-o', output, '--json'];
    const { stdout, peakBytes } = await watched('quantize', model, ...words);
    rmSync(output);
    const { sizes, engine } = parseReport(stdout);
    expect(sizes.sourceBytes).toBeGreaterThan(PARTS * 268 * MEGABYTE);
    expect(engine.threads).toBe(2);
    expect(peakBytes).toBeGreaterThan(30 * MEGABYTE);
    expect(peakBytes).toBeLessThan(200 * MEGABYTE);
  },
);

it.runIf(process.platform === 'linux')('100 GB are planned at once', async () => {
  const model = folder.writeSparse('100gb.safetensors', 100, [16384, 16384]);
  const begin = performance.now();
  const { stdout, peakBytes } = await watched('quantize', model, '--dry-run', '--json');
  // Well under a second, on a machine that has nothing else to do.
  expect(performance.now() - begin).toBeLessThan(5000);
  expect(parsePlan(stdout).sizes.sourceBytes).toBeGreaterThan(100e9);
  expect(peakBytes).toBeLessThan(200 * MEGABYTE);
});
