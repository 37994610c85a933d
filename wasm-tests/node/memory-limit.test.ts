/**
 * Files that list more than the engine has memory for: a name for the failure, and nothing is left of it.
 * It exists because the format allows 100 MB of names and notes, and the engine has 256 MB for what it makes of them.
 * Memory that was used up is not given back: the next call gets another engine.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { expect, it } from 'vitest';
import { open, quantize } from '#package/node';
import { Folder, monoquant } from '../support/cli.js';
import { helpfulFailureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';

const folder = new Folder();
const NOTE_BYTES = 99e6;

/** A file of one note, as some training scripts write what they were given. */
function longNote(): string {
  const path = folder.at('note.safetensors');
  const header = Buffer.alloc(Math.ceil(NOTE_BYTES / 8) * 8, 'a');
  const begin = '{"__metadata__":{"tags":"';
  header.write(begin);
  header.write('"}}', header.length - 3);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, 'w');
  writeSync(file, length);
  writeSync(file, header);
  closeSync(file);
  return path;
}

const note = longNote();
const model = folder.write('model.safetensors', mixedModel('F32'));

it.each([
  ['open', () => open(note)],
  ['quantize', () => quantize(note)],
])('%s says that memory is used up, and the next call works', async (_, call) => {
  const error = await helpfulFailureOf(call(), 'out-of-memory');
  expect(error.message).toContain('256 MiB');
  const result = await quantize(model);
  expect(result.report.tensors.length).toBeGreaterThan(0);
  await result.close();
});

it('the command says it in its own words, and ends with 5', async () => {
  const { code, stderr } = await monoquant('info', note);
  expect(stderr).toMatch(/^monoquant: Expected .*256 MiB/m);
  expect(stderr).not.toContain('unexpectedly');
  expect(code).toBe(5);
});
