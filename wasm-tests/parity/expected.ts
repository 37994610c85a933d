/**
 * What every engine is compared with: Node, one thread, no shared memory.
 * It exists because tests in browsers cannot run Node; vitest runs this before all tests.
 * A case that fails here is expected to fail everywhere, in the same way.
 * MONOQUANT_MATRIX: all fixtures, too; the table of hashes is kept, so that two versions can be compared.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { MonoquantError, quantize } from '#package/node';
import { sha256 } from '../support/bytes.js';
import { CASES, MATRIX, type ParityCase } from './cases.js';

const ROOT = join(import.meta.dirname, '../..');
const TABLE = join(ROOT, 'build/matrix/hashes.txt');

declare module 'vitest' {
  export interface ProvidedContext {
    /** SHA-256 of each case's output, or the code of the error. */
    readonly parity: Readonly<Record<string, string>>;
    /** Whether every fixture is compared, in every number of threads. */
    readonly matrix: boolean;
  }
}

export async function setup(project: TestProject): Promise<void> {
  // The site's tests compare nothing with it.
  if (project.vitest.projects.every(({ name }) => name.endsWith('site'))) return;
  const isMatrix = process.env.MONOQUANT_MATRIX !== undefined;
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-parity-'));
  try {
    const expected: Record<string, string> = {};
    for (const parityCase of isMatrix ? MATRIX : CASES) {
      expected[parityCase.name] = await outcomeOf(parityCase, folder);
    }
    project.provide('parity', expected);
    project.provide('matrix', isMatrix);
    if (isMatrix) keep(expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function outcomeOf({ model, options }: ParityCase, folder: string): Promise<string> {
  const source = join(folder, 'source.safetensors');
  const output = join(folder, 'output.safetensors');
  const read = async (address: string) => new Uint8Array(readFileSync(join(ROOT, address)));
  writeFileSync(source, await model(read));
  try {
    await quantize(source, { ...options, threads: 1, engine: 'st', output, force: true });
  } catch (error) {
    return error instanceof MonoquantError ? error.code : String(error);
  }
  return sha256(new Uint8Array(readFileSync(output)));
}

function keep(expected: Readonly<Record<string, string>>): void {
  const lines = Object.entries(expected).map(([name, hash]) => `${hash}  ${name}\n`);
  mkdirSync(join(TABLE, '..'), { recursive: true });
  writeFileSync(TABLE, lines.sort().join(''));
  process.stdout.write(`${lines.length} hashes are in ${TABLE}\n`);
}
