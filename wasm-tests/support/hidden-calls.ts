/**
 * The files of fixtures/pickles: each calls a function where PyTorch loads it, in a way of its own.
 * It exists because several tests use them. Made by scripts/pickle-names/hostile.py; nothing of them is run here.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import type { Folder } from './cli.js';

export interface HiddenCall {
  readonly kind: 'structure' | 'opcodes' | 'names' | 'exported' | 're-exports';
  readonly name: string;
  /** That have to be told. */
  readonly names: readonly string[];
  /** In base64, compressed. */
  readonly file: string;
}

/** What they would create in the current folder. */
export const MARKER = 'monoquant-ran';

export const HIDDEN_CALLS: readonly HiddenCall[] = readFileSync(
  join(import.meta.dirname, '../fixtures/pickles/hidden-calls.jsonl'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as HiddenCall);

/** Writes the file under a name. Returns its path. */
export function writeCase({ file }: HiddenCall, folder: Folder, name = 'case'): string {
  const path = folder.at(name);
  writeFileSync(path, inflateSync(Buffer.from(file, 'base64')));
  return path;
}

export function caseCalled(name: string): HiddenCall {
  const found = HIDDEN_CALLS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no case of the name "${name}".`);
  return found;
}
