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
import { engineOptions } from '../../js/engine/engine-options.js';
import { sha256 } from '../support/bytes.js';
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
  // What the callers' side refuses never comes to the core; hosts compare how it fails.
  if (expected?.length !== 64) return;
  const bytes = await run.model(host.readFile);
  writeFileSync(source, bytes);
  const opened = await host.open(bytes, { threads: 1 });
  const { configuration } = await opened.plan(run.options).finally(() => opened.close());
  const names = () => opened.catalog.tensors.map(({ name }) => name);
  // The cases have no data and are one file.
  const choices = { ...engineOptions(configuration, names, []), calibration: null, unfit: [] };
  const options = JSON.stringify(choices);
  for (const choice of run.choices) {
    const words = [source, output, options, ...choice.map(String)];
    const { status, stdout, stderr } = spawnSync(PROGRAM, words, { encoding: 'utf8' });
    expect(status, `${stdout}${stderr}`.slice(0, 1000)).toBe(0);
    expect(await sha256(new Uint8Array(readFileSync(output))), String(choice)).toBe(expected);
  }
});
