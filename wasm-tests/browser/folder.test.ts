/**
 * Files as pages get them: chosen as a folder, dropped in a heap, or one by one.
 * It exists because only browsers hand out Files, with paths that begin at the chosen folder.
 * What is picked is tested in contract/; here, what is looked at.
 */
import { expect, it } from 'vitest';
import { host } from '#host';
import { type ModelSource, modelOf, open } from '#package/browser';
import type { DataFile } from '../host/host.js';
import { helpfulFailureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { dealt, indexOf, joined, shardsOf, textFile } from '../support/shards.js';

const PARTS = dealt(mixedModel('F32'), 2);
const SHARDS = shardsOf(PARTS);
const OTHERS = [textFile('config.json', '{}'), textFile('tokenizer.json', '{}')];

function inFolder({ name, bytes }: DataFile, path = name): File {
  const file = new File([bytes], name);
  // Browsers set it for chosen folders; nobody else can.
  Object.defineProperty(file, 'webkitRelativePath', { value: path });
  return file;
}

async function countIn(model: ModelSource): Promise<number> {
  const opened = await open(model, { threads: 1 });
  await opened.close();
  return opened.catalog.tensors.length;
}

const namesOf = (files: readonly File[]) => files.map(({ name }) => name);

it('picks what belongs to the model, and may be asked again', async () => {
  const index = indexOf(PARTS, SHARDS);
  const files = [...OTHERS, ...SHARDS, index].map((file) => inFolder(file, `llama/${file.name}`));
  const picked = await modelOf(files);
  expect(namesOf(picked)).toEqual([index.name, ...SHARDS.map(({ name }) => name)]);
  expect(await modelOf(picked)).toEqual(picked);
  expect(await countIn(picked)).toBe(mixedModel('F32').length);
});

it('leaves out what lies in folders of the folder', async () => {
  const deeper = inFolder(
    { name: 'model.safetensors', bytes: joined(PARTS) },
    'llama/onnx/model.safetensors',
  );
  const files = [...SHARDS.map((file) => inFolder(file, `llama/${file.name}`)), deeper];
  expect(namesOf(await modelOf([deeper, ...files]))).toEqual(SHARDS.map(({ name }) => name));
});

it('takes a single file whatever it is called, but no part of a model', async () => {
  const bytes = joined(PARTS);
  expect(await countIn([new File([bytes], 'weights.dat')])).toBe(mixedModel('F32').length);
  const [first] = SHARDS;
  if (first === undefined) throw new Error('There are no shards.');
  const error = await helpfulFailureOf(open([inFolder(first)]), 'file-not-found');
  expect(error.message).toContain(SHARDS[1]?.name);
});

it('refuses two files of one name', async () => {
  const file = { name: 'model.safetensors', bytes: joined(PARTS) };
  const error = await helpfulFailureOf(
    modelOf([inFolder(file), inFolder(file)]),
    'invalid-options',
  );
  expect(error.message).toContain('model.safetensors');
});

it.each([undefined, 'model.safetensors', {}, [], ['model.safetensors'], [new Blob([])]])(
  'refuses what is no model: %s',
  async (model) => {
    const call = open(model as unknown as ModelSource);
    const outcome = await call.catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(host.MonoquantError);
    expect(['invalid-options', 'file-not-found']).toContain((outcome as { code: string }).code);
  },
);
