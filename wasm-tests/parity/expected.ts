/**
 * What every engine is compared with: Node, one thread, no shared memory.
 * It exists because tests in browsers cannot run Node; vitest runs this before all tests.
 * A case that fails here fails in the tests that ask for it, not the whole run.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { quantize } from '#package/node';
import { sha256 } from '../support/bytes.js';
import { CASES, type ParityCase } from './cases.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** SHA-256 of each case's output, or why there is none. */
    readonly parity: Readonly<Record<string, string>>;
  }
}

export async function setup(project: TestProject): Promise<void> {
  // The site's tests compare nothing with it.
  if (project.vitest.projects.every(({ name }) => name.endsWith('site'))) return;
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-parity-'));
  try {
    const expected: Record<string, string> = {};
    for (const parityCase of CASES) {
      expected[parityCase.name] = await hashOf(parityCase, folder).catch(String);
    }
    project.provide('parity', expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function hashOf({ model, options }: ParityCase, folder: string): Promise<string> {
  const source = join(folder, 'source.safetensors');
  const output = join(folder, 'output.safetensors');
  writeFileSync(source, model());
  await quantize(source, { ...options, threads: 1, engine: 'st', output, force: true });
  return sha256(new Uint8Array(readFileSync(output)));
}
