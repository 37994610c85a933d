/**
 * How much crosses between the caller and the engine's workers when a model of many tensors is quantized.
 * It exists because documents of many megabytes once went back and forth unseen: every byte is counted, of messages
 * in both directions, as they are serialized.
 */
import { serialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { open, quantize } from '#package/node';
import { Folder } from '../support/cli.js';

const TENSORS = 50_000;
const folder = new Folder();
const { emit, postMessage } = Worker.prototype;
let crossed = 0;

beforeAll(() => {
  const bytes = Uint8Array.from({ length: 64 }, (_, index) => (index % 4 === 3 ? 0x3e : index));
  const tensors = Array.from({ length: TENSORS }, (_, index) => {
    return { name: `l${index}.weight`, dtype: 'F32', shape: [4, 4], bytes } as const;
  });
  folder.write('model.safetensors', tensors);
  Object.assign(Worker.prototype, {
    emit(this: Worker, name: string, message: unknown, ...others: unknown[]) {
      if (name === 'message') crossed += serialize(message).length;
      return Reflect.apply(emit, this, [name, message, ...others]);
    },
    postMessage(this: Worker, message: unknown, ...others: unknown[]) {
      crossed += serialize(message).length;
      return Reflect.apply(postMessage, this, [message, ...others]);
    },
  });
});

afterAll(() => Object.assign(Worker.prototype, { emit, postMessage }));

async function crossing(work: () => Promise<unknown>): Promise<number> {
  crossed = 0;
  await work();
  return crossed;
}

// What every tensor is called and how it did is all that a report needs: 53 bytes a tensor, whoever has encoded it.
it.each([1, 4])('a run with %i threads needs 60 bytes a tensor', async (threads) => {
  const bytes = await crossing(async () => {
    const result = await quantize(folder.at('model.safetensors'), { minElements: 0, threads });
    expect(result.report.tensors).toHaveLength(TENSORS);
    await result.close();
  });
  expect(bytes).toBeLessThan(60 * TENSORS);
});

it('a run of an open model sends nothing of it again', async () => {
  const model = await open(folder.at('model.safetensors'), { threads: 1 });
  const bytes = await crossing(async () => {
    await (await model.convert()).close();
  });
  await model.close();
  expect(bytes).toBeLessThan(60 * TENSORS);
});
