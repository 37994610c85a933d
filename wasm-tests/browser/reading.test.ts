/**
 * How files are read in browsers: in streams, whatever these come in, and however they end.
 * It exists because the browser decides how many bytes come at once, and when none come any more.
 * The bytes that come out are the same; what goes wrong is an error that says so, and leaves no file.
 */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { host } from '#host';
import { compare, open, quantize } from '#package/browser';
import type { Bytes } from '../host/host.js';
import { sha256 } from '../support/bytes.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { headerOf, type Tensor } from '../support/safetensors.js';
import { enginesStartIn, withPrelude } from '../support/worker-prelude.js';

/** More than one block. */
const PART_SHAPE = [640, 4096];
const PART_BYTES = 640 * 4096 * 4;
const PARTS = 5;
const MODEL = new File([modelOf(PARTS)], 'model.safetensors');
/** What comes out where the browser is left as it is. */
let expected: string;

beforeAll(async () => {
  expected = await outputOf(MODEL);
});

afterEach(async () => {
  expect(await host.leftovers()).toEqual([]);
});

/** No two of its tensors are alike. */
function modelOf(parts: number, first = 0): Blob {
  const values = Float32Array.from({ length: PART_BYTES / 4 }, (_, index) => Math.sin(index));
  const tensors = Array.from({ length: parts }, (_, part): Tensor & { bytes: Bytes } => ({
    name: `layers.${first + part}.weight`,
    dtype: 'F32',
    shape: PART_SHAPE,
    bytes: new Uint8Array(values.map((value) => value + part).buffer),
  }));
  return new Blob([headerOf(tensors), ...tensors.map((tensor) => tensor.bytes)]);
}

/** The bytes of a tensor as they are in the file: tensors fill its end. */
async function bytesOf(part: number): Promise<Bytes> {
  const begin = MODEL.size - (PARTS - part) * PART_BYTES;
  return new Uint8Array(await MODEL.slice(begin, begin + PART_BYTES).arrayBuffer());
}

async function outputOf(model: Blob): Promise<string> {
  const result = await quantize(model, { threads: 1 });
  const bytes = new Uint8Array(await result.blob().arrayBuffer());
  await result.close();
  return sha256(bytes);
}

/** The engine's worker gets other streams from Blobs; threads within it read nothing. */
function engineHas(prelude: () => void): Promise<void> {
  return enginesStartIn(withPrelude(prelude));
}

// What follows runs in the worker, as text.

function chunksOfAllSizes(): void {
  const sizes = [1, 3, 4095, 4096, 1 << 20, 7, 100_003];
  Blob.prototype.stream = function (this: Blob) {
    let at = 0;
    let turn = 0;
    return new ReadableStream({
      type: 'bytes',
      pull: async (controller) => {
        if (at >= this.size) {
          controller.close();
          return controller.byobRequest?.respond(0);
        }
        const size = sizes[turn++ % sizes.length] ?? 1;
        const bytes = new Uint8Array(await this.slice(at, at + size).arrayBuffer());
        at += bytes.length;
        controller.enqueue(bytes);
      },
    });
  };
}

/** As in Safari. */
function streamsOfTheirOwnMemory(): void {
  Blob.prototype.stream = function (this: Blob) {
    let at = 0;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        if (at >= this.size) return controller.close();
        const bytes = new Uint8Array(await this.slice(at, at + 5_000_001).arrayBuffer());
        at += bytes.length;
        controller.enqueue(bytes);
      },
    });
  };
}

/** After as many bytes as the header has and some more. */
function streamsThatBreak(): void {
  let left = 10_000_000;
  const original = Blob.prototype.stream;
  Blob.prototype.stream = function (this: Blob) {
    left -= this.size;
    if (left > 0) return original.call(this);
    let isFirst = true;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      type: 'bytes',
      pull: (controller) => {
        if (isFirst) controller.enqueue(new Uint8Array(1000));
        else controller.error(new DOMException('The device is gone.', 'NotReadableError'));
        isFirst = false;
      },
    });
  };
}

function streamsThatEndEarly(): void {
  let left = 10_000_000;
  const original = Blob.prototype.stream;
  Blob.prototype.stream = function (this: Blob) {
    left -= this.size;
    return original.call(left > 0 ? this : this.slice(0, 1000));
  };
}

function streamsThatStall(): void {
  let left = 10_000_000;
  const original = Blob.prototype.stream;
  Blob.prototype.stream = function (this: Blob) {
    left -= this.size;
    if (left > 0) return original.call(this);
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      type: 'bytes',
      pull: () => new Promise<void>(() => {}),
    });
  };
}

function openStreamsAreCounted(): void {
  const channel = new BroadcastChannel('open streams');
  let open = 0;
  const { stream } = Blob.prototype;
  Blob.prototype.stream = function (this: Blob) {
    channel.postMessage(++open);
    return stream.call(this);
  };
  const { cancel } = ReadableStreamBYOBReader.prototype;
  ReadableStreamBYOBReader.prototype.cancel = function (this: ReadableStreamBYOBReader) {
    channel.postMessage(--open);
    return cancel.call(this);
  };
}

/** Who has read such a file to its end, and begins again, is told what browsers tell then. */
function changedWhenAllWasRead(): void {
  const { slice, stream } = Blob.prototype;
  const read = new Set<Blob>();
  const changed = new Set<Blob>();
  Blob.prototype.slice = function (this: Blob, begin = 0, end = this.size) {
    const part = slice.call(this, begin, end);
    const isLast = this instanceof File && !this.name.includes('00001-of');
    if (isLast && end === this.size) read.add(this);
    if (begin === 0 && read.has(this)) changed.add(part);
    return part;
  };
  Blob.prototype.stream = function (this: Blob) {
    if (!changed.has(this)) return stream.call(this);
    const error = new DOMException('It has changed.', 'NotReadableError');
    return new ReadableStream({ start: (controller) => controller.error(error) });
  };
}

/** Rubbish is collected whenever a read waits: what nothing holds is gone before its bytes have come. */
function rubbishIsCollected(): void {
  const { gc } = globalThis as unknown as { gc?: () => void };
  if (gc === undefined) throw new Error('Chromium was started without --expose-gc.');
  const { read } = ReadableStreamBYOBReader.prototype;
  ReadableStreamBYOBReader.prototype.read = function (
    this: ReadableStreamBYOBReader,
    ...args: Parameters<typeof read>
  ) {
    setTimeout(gc);
    return read.apply(this, args);
  } as typeof read;
}

it.each([chunksOfAllSizes, streamsOfTheirOwnMemory])('%o: the same output', async (prelude) => {
  await engineHas(prelude);
  expect(await outputOf(MODEL)).toBe(expected);
});

it('a file that cannot be read to its end: says which, where, and what to do', async () => {
  await engineHas(streamsThatBreak);
  const error = await helpfulFailureOf(quantize(MODEL, { threads: 1 }), 'read-failed');
  expect(error.message).toContain('"model.safetensors"');
  expect(error.message).toContain('The device is gone.');
  expect(error.suggestion).toContain('choose it again');
  expect(error.offset).toBeGreaterThan(0);
});

it('a file that ends early: says where', async () => {
  await engineHas(streamsThatEndEarly);
  const error = await helpfulFailureOf(quantize(MODEL, { threads: 1 }), 'file-changed');
  expect(error.message).toContain('became shorter');
  expect(error.offset).toBeGreaterThan(1000);
  expect(error.offset).toBeLessThan(MODEL.size);
});

it('a read that never ends can be aborted', async () => {
  await engineHas(streamsThatStall);
  const controller = new AbortController();
  const run = quantize(MODEL, {
    threads: 1,
    signal: controller.signal,
    onProgress: ({ stage }) => {
      if (stage === 'encode') controller.abort();
    },
  });
  await failureOf(run, 'aborted');
});

it('a stream that nobody reads from is closed, and what it gave goes on', async () => {
  await engineHas(openStreamsAreCounted);
  const channel = new BroadcastChannel('open streams');
  const counts: number[] = [];
  channel.onmessage = ({ data }) => counts.push(data);
  const opened = await open(MODEL, { threads: 1 });
  try {
    for (const part of [1, 2]) {
      const { bytes } = await opened.tensor(`layers.${part}.weight`);
      expect(await sha256(new Uint8Array(bytes))).toBe(await sha256(await bytesOf(part)));
      await expect.poll(() => counts.at(-1), { timeout: 10_000 }).toBe(0);
    }
    // Each stream is closed before the next.
    expect(Math.max(...counts)).toBe(1);
  } finally {
    await opened.close();
    channel.close();
  }
});

it('tensors are what they are in any order', async () => {
  const opened = await open(MODEL, { threads: 1 });
  try {
    for (const part of [3, 0, 1, 2, 4, 4, 1, 3]) {
      const { bytes } = await opened.tensor(`layers.${part}.weight`);
      expect(await sha256(new Uint8Array(bytes))).toBe(await sha256(await bytesOf(part)));
    }
  } finally {
    await opened.close();
  }
});

it.each([1, 2])('a model of %d files that has changed by the end is not done', async (files) => {
  await engineHas(changedWhenAllWasRead);
  const parts = [1, 2].map(
    (part) => new File([modelOf(2, 2 * part)], `model-0000${part}-of-00002.safetensors`),
  );
  const stages: string[] = [];
  const run = quantize(files === 1 ? MODEL : parts, {
    threads: 1,
    onProgress: ({ stage }) => stages.push(stage),
  });
  const error = await helpfulFailureOf(run, 'read-failed');
  expect(error.message).toContain(files === 1 ? '"model.safetensors"' : '"model-00002-of');
  expect(error.message).toContain('It has changed.');
  expect(stages).toContain('verify');
});

it.skipIf(navigator.userAgent.includes('Firefox'))(
  'reads that wait are not forgotten',
  async () => {
    await engineHas(rubbishIsCollected);
    const opened = await open(MODEL, { threads: 1 });
    expect(opened.catalog.tensors).toHaveLength(PARTS);
    await opened.close();
    const { tensors } = await compare(MODEL, MODEL, { threads: 1 });
    expect(tensors).toHaveLength(PARTS);
  },
);
