/**
 * Which files of a folder are the model: told by their names and by an index, the same in every host.
 * It exists because a wrong guess here quantizes the wrong model, and says nothing.
 * Files hold a tensor named after them, so that it shows which ones were read.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { ErrorCode } from '#package';
import type { DataFile } from '../host/host.js';
import { helpfulFailureOf } from '../support/failures.js';
import { filled } from '../support/models.js';
import { writeSafetensors } from '../support/safetensors.js';
import { INDEX, indexFile, textFile } from '../support/shards.js';

/** A small model, or whatever has no ending of one. */
function file(name: string): DataFile {
  if (/\.(json|txt|md)$/.test(name)) return textFile(name, '{}');
  return { name, bytes: writeSafetensors([filled(name, 'F32', [2], [1, 2])]) };
}

function indexed(...names: string[]): DataFile {
  return indexFile(Object.fromEntries(names.map((name) => [name, name])));
}

const SET = ['m-00001-of-00003', 'm-00002-of-00003', 'm-00003-of-00003'].map(
  (name) => `${name}.safetensors`,
);

describe('finds', () => {
  it.each<{ what: string; files: readonly DataFile[]; found: readonly string[] }>([
    {
      what: 'numbered files, in any order, among others',
      files: ['tokenizer.json', ...[...SET].reverse(), 'config.json', 'README.md'].map(file),
      found: SET,
    },
    {
      what: 'numbered files rather than one of another name',
      files: ['adapter.safetensors', ...SET].map(file),
      found: SET,
    },
    {
      what: 'numbered files with few digits, and more than ten',
      files: Array.from({ length: 12 }, (_, index) => file(`m-${index + 1}-of-12.safetensors`)),
      found: Array.from({ length: 12 }, (_, index) => `m-${index + 1}-of-12.safetensors`).sort(),
    },
    {
      what: 'a single numbered file',
      files: ['m-00001-of-00001.safetensors', 'config.json'].map(file),
      found: ['m-00001-of-00001.safetensors'],
    },
    {
      what: 'what an index names, whatever else is there',
      files: [
        ...['b.safetensors', 'a.safetensors', 'c.safetensors', 'model.bin', ...SET].map(file),
        indexed('b.safetensors', 'a.safetensors'),
      ],
      found: ['a.safetensors', 'b.safetensors'],
    },
    {
      what: 'the only safetensors file, not a PyTorch file',
      files: ['pytorch_model.bin', 'model.safetensors', 'config.json', 'x.pt'].map(file),
      found: ['model.safetensors'],
    },
    {
      what: 'the only PyTorch file',
      files: ['config.json', 'pytorch_model.bin', 'vocab.txt'].map(file),
      found: ['pytorch_model.bin'],
    },
    {
      what: 'none that is hidden',
      files: ['._model.safetensors', 'model.safetensors'].map(file),
      found: ['model.safetensors'],
    },
  ])('$what', async ({ files, found }) => {
    const model = await host.open(files, { threads: 1 });
    await model.close();
    const { tensors, files: read } = model.catalog;
    expect(tensors.map(({ name }) => name)).toEqual(found);
    if (found.length > 1) expect(read).toEqual(found);
  });
});

describe('refuses', () => {
  it.each<{
    what: string;
    files: readonly DataFile[];
    code: ErrorCode;
    words: readonly string[];
  }>([
    {
      what: 'a set that lacks files',
      files: SET.slice(1, 2).map(file),
      code: 'file-not-found',
      words: ['3 files', '1 of them', SET[0] ?? '', SET[2] ?? ''],
    },
    {
      what: 'a number beyond the last',
      files: [...SET, 'm-00004-of-00003.safetensors'].map(file),
      code: 'invalid-options',
      words: ['m-00004-of-00003.safetensors'],
    },
    {
      what: 'numbers of no files',
      files: ['m-00001-of-00000.safetensors', 'a.txt'].map(file),
      code: 'malformed-file',
      words: ['m-00001-of-00000.safetensors'],
    },
    {
      what: 'more files than can be opened',
      files: ['m-000001-of-999999.safetensors', 'a.txt'].map(file),
      code: 'limit-exceeded',
      words: ['999999'],
    },
    {
      what: 'two sets',
      files: [...SET, 'n-00001-of-00001.safetensors'].map(file),
      code: 'invalid-options',
      words: ['2', 'm-…-of-00003', 'n-…-of-00001'],
    },
    {
      what: 'several models',
      files: ['model.safetensors', 'consolidated.safetensors'].map(file),
      code: 'invalid-options',
      words: ['2', 'model.safetensors', 'consolidated.safetensors'],
    },
    {
      what: 'several PyTorch files',
      files: ['a.pt', 'b.bin'].map(file),
      code: 'invalid-options',
      words: ['a.pt', 'b.bin'],
    },
    {
      what: 'two indices',
      files: [indexed('a.safetensors'), indexFile({}, 'b.safetensors.index.json')],
      code: 'invalid-options',
      words: [INDEX, 'b.safetensors.index.json'],
    },
    {
      what: 'a part of a PyTorch model',
      files: ['pytorch_model-00001-of-00002.bin', 'training_args.bin'].map(file),
      code: 'file-not-found',
      words: ['2 files', 'pytorch_model-00002-of-00002.bin'],
    },
    {
      what: 'folders without a model',
      files: ['config.json', 'a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt', 'f.txt', 'g.txt'].map(
        file,
      ),
      code: 'file-not-found',
      words: ['a.txt', 'config.json', '2 more'],
    },
    {
      what: 'an index whose files are not all there',
      files: [file('a.safetensors'), indexed('a.safetensors', 'b.safetensors', 'c.safetensors')],
      code: 'file-not-found',
      words: [INDEX, '3 files', '1 of them', 'b.safetensors', 'c.safetensors'],
    },
  ])('$what', async ({ files, code, words }) => {
    const error = await helpfulFailureOf(host.open(files), code);
    for (const word of words) expect(error.message).toContain(word);
  });

  it.each([
    ['no JSON', '{"weight_map":', 'JSON'],
    ['no object', '[]', 'an object'],
    ['null', 'null', 'an object'],
    ['no weight_map', '{}', 'weight_map'],
    ['a list for a weight_map', '{"weight_map":[]}', 'weight_map'],
    ['an empty weight_map', '{"weight_map":{}}', 'weight_map'],
    ['a number for a name', '{"weight_map":{"t":1}}', 'a number'],
    ['a way out of the folder', '{"weight_map":{"t":"../a.safetensors"}}', '../a.safetensors'],
    ['a way into a folder', '{"weight_map":{"t":"x/a.safetensors"}}', 'x/a.safetensors'],
    ['the same on Windows', '{"weight_map":{"t":"x\\\\a.safetensors"}}', 'safetensors'],
    ['a file that is no shard', '{"weight_map":{"t":"config.json"}}', 'config.json'],
  ])('an index with %s', async (_what, content, word) => {
    const files = [file('a.safetensors'), file('config.json'), textFile(INDEX, content)];
    const error = await helpfulFailureOf(host.open(files), 'malformed-file');
    expect(error.message).toContain(word);
    expect(error.message).toContain(INDEX);
  });
});
