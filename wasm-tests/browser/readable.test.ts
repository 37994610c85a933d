/**
 * Files that their owner reads for the engine: what comes out is what comes out of the same File.
 * It exists because a page may have models in places that no File stands for.
 * Whatever the owner does wrong is an error that says so.
 */
import { afterEach, expect, it } from 'vitest';
import { host } from '#host';
import {
  type ModelSource,
  MonoquantError,
  open,
  quantize,
  type ReadableFile,
} from '#package/browser';
import type { DataFile } from '../host/host.js';
import { sha256 } from '../support/bytes.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { mixedModel, weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { dealt, indexOf, shardsOf } from '../support/shards.js';

/** More than one block. */
const MODEL = modelOf([weights('big.weight', 'F32', [1200, 4096], 5), ...mixedModel('F32')]);
const MOST_BYTES = 4 << 20;

afterEach(async () => {
  expect(await host.leftovers()).toEqual([]);
});

interface Read {
  readonly offset: number;
  readonly length: number;
}

function readable(
  { name, bytes }: DataFile,
  changes: Partial<ReadableFile> = {},
): ReadableFile & { readonly reads: Read[] } {
  const reads: Read[] = [];
  return {
    name,
    size: bytes.length,
    reads,
    read: async (offset, length) => {
      reads.push({ offset, length });
      return bytes.slice(offset, offset + length);
    },
    ...changes,
  };
}

const model = (changes?: Partial<ReadableFile>) =>
  readable({ name: 'model.safetensors', bytes: MODEL }, changes);

async function outputOf(source: ModelSource): Promise<string> {
  const result = await quantize(source, { bits: 4, threads: 1 });
  try {
    return await sha256(await result.bytes());
  } finally {
    await result.close();
  }
}

it('becomes what the same File becomes; asked for parts, and at the end whether it changed', async () => {
  let checks = 0;
  const checkUnchanged = async () => void checks++;
  const file = model({ checkUnchanged });
  expect(await outputOf(file)).toBe(await outputOf(new File([MODEL], 'model.safetensors')));
  expect(checks).toBeGreaterThan(0);
  expect(file.reads.length).toBeGreaterThan(4);
  for (const { offset, length } of file.reads) {
    expect(length).toBeLessThanOrEqual(MOST_BYTES);
    expect(offset + length).toBeLessThanOrEqual(MODEL.length);
  }
});

it('may be several, beside Files', async () => {
  const parts = dealt(mixedModel('F32'), 3);
  const shards = shardsOf(parts);
  const index = indexOf(parts, shards);
  const files = [...shards, index].map(({ name, bytes }) => new File([bytes], name));
  const expected = await outputOf(files);
  const read = shards.map((shard) => readable(shard));
  expect(await outputOf([...read, ...files.slice(-1)])).toBe(expected);
  expect(await outputOf([...read, readable(index)])).toBe(expected);
});

it('stays open for many calls', async () => {
  const opened = await open(model(), { threads: 1 });
  try {
    expect((await opened.tensor('fc.bias')).shape).toEqual([24]);
    const result = await opened.quantize({ bits: 8 });
    const { valid } = await opened.validate({ file: result.blob() });
    expect(valid).toBe(true);
    await result.close();
  } finally {
    await opened.close();
  }
});

it('gives its memory away only if that is all of it', async () => {
  const all = MODEL.slice();
  const read = async (offset: number, length: number) => all.subarray(offset, offset + length);
  const opened = await open(model({ read }), { threads: 1 });
  await opened.close();
  expect(all.length).toBe(MODEL.length);
});

it.each<[string, ReadableFile['read'], RegExp]>([
  [
    'an error',
    () => Promise.reject(new Error('the cable is out.')),
    /"model\.safetensors" .+: the cable is out\.$/,
  ],
  ['too few bytes', async () => new Uint8Array(3), /expected \d+ bytes from it, found 3\.$/],
])('%s is told', async (_, read, says) => {
  const error = await helpfulFailureOf(open(model({ read }), { threads: 1 }), 'read-failed');
  expect(error.message).toMatch(says);
});

it('its own words are kept', async () => {
  const failure = new MonoquantError('file-changed', 'It changed.', { suggestion: 'Again.' });
  const read = () => Promise.reject(failure);
  const told = await helpfulFailureOf(open(model({ read }), { threads: 1 }), 'file-changed');
  expect(told.message).toBe('It changed.');
  const checkUnchanged = () => Promise.reject(failure);
  await helpfulFailureOf(outputOf(model({ checkUnchanged })), 'file-changed');
});

it('is not waited for after an abort', async () => {
  const abort = new AbortController();
  const read = () => {
    abort.abort();
    return new Promise<never>(() => {});
  };
  await failureOf(open(model({ read }), { threads: 1, signal: abort.signal }), 'aborted');
});
