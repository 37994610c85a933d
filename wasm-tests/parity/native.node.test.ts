/**
 * The core compiled for this machine makes the same bytes as the one in WebAssembly.
 * It exists because it is the engine without compiler flags, kernels and host of the others.
 * Whatever the native host chooses (bytes of a block, threads, shares) makes no difference either.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { host } from '#host';
import type { Configuration } from '#package';
import { sha256 } from '../support/bytes.js';
import { planOf } from '../support/runs.js';
import { CASES, MATRIX } from './cases.js';

const PROGRAM = join(import.meta.dirname, '../../build/native-asan/cpp/tests/native_quantize');

/** Bytes of a block, threads, shares. The smallest block holds one unit of the longest rows. */
const CHOICES = [
  [1 << 20, 1, 1],
  [512 << 10, 3, 1],
  [5 << 20, 2, 4],
] as const;

/** The choices of each case: one, taken in turn; all of them, and more threads, in the matrix. */
const RUNS = inject('matrix')
  ? MATRIX.map((parityCase) => ({ ...parityCase, choices: [...CHOICES, [1 << 20, 8, 1]] }))
  : CASES.map((parityCase, index) => ({ ...parityCase, choices: [CHOICES[index % 3] ?? []] }));

const folder = mkdtempSync(join(tmpdir(), 'monoquant-native-'));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  if (existsSync(PROGRAM)) return;
  throw new Error('The native program is missing. Build it: npm test -- native');
});

it.each(RUNS)('$name, blocks, threads and shares $choices', async (run) => {
  const source = join(folder, 'source.safetensors');
  const output = join(folder, 'output.safetensors');
  const expected = inject('parity')[run.name];
  const bytes = await run.model(host.readFile);
  writeFileSync(source, bytes);
  const { configuration } = await planOf(bytes, run.options);
  for (const choice of run.choices) {
    const words = [source, output, engineOptions(configuration), ...choice.map(String)];
    const { status, stdout, stderr } = spawnSync(PROGRAM, words, { encoding: 'utf8' });
    expect(status, `${stdout}${stderr}`.slice(0, 1000)).toBe(0);
    expect(await sha256(new Uint8Array(readFileSync(output))), String(choice)).toBe(expected);
  }
});

/** As the hosts in js/ translate them; the cases have neither patterns nor data. */
function engineOptions({ key, stripPrefix, dequantize, ...options }: Configuration): string {
  return JSON.stringify({ ...options, calibration: null, ignore: [], overrides: [], unfit: [] });
}
