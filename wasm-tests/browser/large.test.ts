/**
 * Outputs that are too large for memory go through the origin's private files.
 * It exists because that is a path of its own: a file that only a worker may write, and that must not stay.
 * What comes out is what would have come out of memory.
 */
import { afterEach, expect, it, vi } from 'vitest';
import { host } from '#host';
import { open, quantize } from '#package/browser';
import type { Bytes } from '../host/host.js';
import { expectSameBytes, sha256 } from '../support/bytes.js';
import { dequantize, readQuantized } from '../support/dequantize.js';
import { failureOf } from '../support/failures.js';
import { headerOf, readSafetensors, type Tensor, tensorOf } from '../support/safetensors.js';

/** One part of the model; the same bytes again and again make a model that takes little memory. */
const PART_SHAPE = [1024, 4096];
const PART = patterned(PART_SHAPE[0] ?? 0, PART_SHAPE[1] ?? 0);
const PARTS = 25;

function part(index: number): Omit<Tensor, 'bytes'> & { bytes: Bytes } {
  return { name: `layers.${index}.weight`, dtype: 'F32', shape: PART_SHAPE, bytes: PART };
}

function modelOf(parts: number): Blob {
  const tensors = Array.from({ length: parts }, (_, index) => part(index));
  return new Blob([headerOf(tensors), ...tensors.map(({ bytes }) => bytes)]);
}

afterEach(async () => expect(await host.leftovers()).toEqual([]));

it('100 MB of output are written, read back and handed out', async () => {
  const model = modelOf(PARTS);
  const result = await quantize(model);
  try {
    const { outputBytes } = result.report.sizes;
    expect(outputBytes).toBeGreaterThan(100e6);
    // It is on the disk while the result is open.
    expect((await host.leftovers()).length).toBe(1);
    const output = result.blob();
    expect(output.size).toBe(outputBytes);
    // The output of one part fits in memory: each of the many must be the same.
    const alone = await host.quantize(new Uint8Array(await modelOf(1).arrayBuffer()));
    const small = readSafetensors(alone.output);
    const file = readSafetensors(new Uint8Array(await output.arrayBuffer()));
    expect(file.tensors.size).toBe(2 * PARTS);
    for (let index = 0; index < PARTS; index++) {
      for (const suffix of ['', '_scale']) {
        const { bytes } = tensorOf(file, `layers.${index}.weight${suffix}`);
        expectSameBytes(
          bytes,
          tensorOf(small, `layers.0.weight${suffix}`).bytes,
          `${index}${suffix}`,
        );
      }
    }
    const [planned] = (await planOf(model)).tensors;
    if (planned === undefined) throw new Error('The plan is empty.');
    const stored = dequantize(readQuantized(file, planned));
    const source = new Float32Array(PART.buffer);
    expect(stored.every((value, index) => Math.abs(value - (source[index] ?? 0)) < 0.005)).toBe(
      true,
    );
  } finally {
    await result.close();
  }
});

it('two large runs at a time have a file each', async () => {
  const model = modelOf(17);
  const results = await Promise.all([
    quantize(model, { threads: 1 }),
    quantize(model, { threads: 1 }),
  ]);
  expect((await host.leftovers()).length).toBe(2);
  const hashes = await Promise.all(
    results.map(async (result) => sha256(new Uint8Array(await result.blob().arrayBuffer()))),
  );
  expect(hashes[0]).toBe(hashes[1]);
  await results[0]?.close();
  expect((await host.leftovers()).length).toBe(1);
  expect((await results[1]?.blob().slice(0, 8).arrayBuffer())?.byteLength).toBe(8);
  await results[1]?.close();
});

it('a large run that is ended, or judged, leaves no file', async () => {
  const model = modelOf(17);
  const controller = new AbortController();
  const run = quantize(model, {
    signal: controller.signal,
    onProgress: ({ stage, bytes }) => {
      if (stage === 'encode' && bytes > 0) controller.abort();
    },
  });
  await failureOf(run, 'aborted');
  expect(await host.leftovers()).toEqual([]);
  await failureOf(quantize(model, { failUnder: 200 }), 'quality-gate');
});

it('removes what a tab left behind that was closed in the middle', async () => {
  const root = await navigator.storage.getDirectory();
  const files = await root.getDirectoryHandle('monoquant', { create: true });
  await files.getFileHandle('abandoned', { create: true });
  expect(await host.leftovers()).toEqual(['abandoned']);
  const result = await quantize(modelOf(1));
  await result.close();
  await vi.waitUntil(async () => (await host.leftovers()).length === 0);
});

async function planOf(model: Blob) {
  const opened = await open(model, { threads: 1 });
  try {
    return await opened.plan();
  } finally {
    await opened.close();
  }
}

function patterned(rows: number, columns: number): Bytes {
  const values = new Float32Array(rows * columns);
  for (let index = 0; index < values.length; index++) {
    values[index] = ((index * 7919) % 2003) / 2003 - 0.5;
  }
  return new Uint8Array(values.buffer);
}
