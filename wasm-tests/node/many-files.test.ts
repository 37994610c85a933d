/**
 * Models of many files while they are open: what is closed again, and what may not change.
 * It exists because each of the files may be the one that is still being downloaded.
 * Descriptors are counted where the system shows them.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { compare, load, open, type Progress, quantize, validate } from '#package/node';
import { Folder } from '../support/cli.js';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { dealt, indexOf, joined, shardName, shardsOf } from '../support/shards.js';

const DESCRIPTORS = '/proc/self/fd';
const PARTS = dealt(mixedModel('F32'), 3);
const SHARDS = shardsOf(PARTS);

const root = new Folder();
const model = root.at('model');
const output = root.at('output.safetensors');
const at = (name: string) => join(model, name);

beforeEach(() => {
  for (const name of root.list()) rmSync(root.at(name), { recursive: true });
  mkdirSync(model);
  for (const { name, bytes } of SHARDS) writeFileSync(at(name), bytes);
});

it('is named by a path or a URL', async () => {
  const opened = await open(pathToFileURL(model));
  await opened.close();
  expect(opened.catalog.files).toHaveLength(3);
});

it('a result knows the folder that it was made from', async () => {
  const result = await quantize(model);
  expect(await result.validate()).toMatchObject({ valid: true });
  expect((await validate(await saved(result), { reference: model })).problems).toEqual([]);
  await result.close();
});

async function saved(result: { save(path: string): Promise<void> }): Promise<string> {
  await result.save(output);
  return output;
}

it('none of its files may be where a result is saved', async () => {
  const result = await quantize(model);
  const target = at(shardName(3, 3));
  await failureOf(result.save(target, { force: true }), 'invalid-options');
  await result.close();
});

it.runIf(existsSync(DESCRIPTORS))('all of its files are closed again', async () => {
  const { name, bytes } = indexOf(PARTS, SHARDS);
  writeFileSync(at(name), bytes);
  writeFileSync(output, joined(PARTS));
  const openFiles = () => readdirSync(DESCRIPTORS).length;
  // The first call of all opens what stays open, such as the engine.
  await (await load(model)).close();
  const before = openFiles();
  await (await load(model)).close();
  await compare(model, output);
  await (await quantize(model)).close();
  rmSync(at(shardName(3, 3)));
  await failureOf(open(model), 'file-not-found');
  expect(openFiles()).toBe(before);
});

describe('a file that changes meanwhile', () => {
  it.each([
    ['is touched', 'file-changed', (path: string) => utimesSync(path, 1, 1)],
    ['becomes shorter', 'file-changed', (path: string) => truncateSync(path, 100)],
  ] as const)('%s: nothing is written, and the message names it', async (_what, code, change) => {
    const last = at(shardName(3, 3));
    let isChanged = false;
    const onProgress = ({ stage }: Progress) => {
      if (stage !== 'encode' || isChanged) return;
      isChanged = true;
      change(last);
    };
    const error = await failureOf(quantize(model, { output, onProgress }), code);
    expect(error.message).toContain(last);
    expect(existsSync(output)).toBe(false);
  });
});
