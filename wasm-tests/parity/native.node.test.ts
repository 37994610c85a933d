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
import type { Configuration } from '#package';
import { sha256 } from '../support/bytes.js';
import { planOf } from '../support/runs.js';
import { CASES } from './cases.js';

const PROGRAM = join(import.meta.dirname, '../../build/native-asan/cpp/tests/native_quantize');

/** Bytes of a block, threads, shares. The smallest block holds one unit of the longest rows. */
const CHOICES = [
  [1 << 20, 1, 1],
  [512 << 10, 3, 1],
  [5 << 20, 2, 4],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'monoquant-native-'));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  if (existsSync(PROGRAM)) return;
  throw new Error(
    'The native program is missing. Build it: cmake --preset native-asan && cmake --build --preset native-asan',
  );
});

it.each(CASES.map((parityCase, index) => ({ ...parityCase, choice: CHOICES[index % 3] ?? [] })))(
  '$name, blocks, threads and shares $choice',
  async ({ name, model, options, choice }) => {
    const source = join(folder, 'source.safetensors');
    const output = join(folder, 'output.safetensors');
    const bytes = model();
    writeFileSync(source, bytes);
    const { configuration } = await planOf(bytes, options);
    const words = [source, output, engineOptions(configuration), ...choice.map(String)];
    const { status, stdout } = spawnSync(PROGRAM, words, { encoding: 'utf8' });
    expect(status, stdout.slice(0, 1000)).toBe(0);
    const hash = await sha256(new Uint8Array(readFileSync(output)));
    expect(hash).toBe(inject('parity')[name]);
  },
);

/** As the hosts in js/ translate them; the cases have neither patterns nor data. */
function engineOptions({ format, ...options }: Configuration): string {
  return JSON.stringify({ ...options, calibration: null, ignore: [], overrides: [], unfit: [] });
}
