/**
 * Models compressed with zstd are models like all others, in every host.
 * It exists because browsers unpack into their private storage, and read their files in streams.
 * Nothing that was unpacked is left when a call settles.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Bytes } from '../host/host.js';
import { helpfulFailureOf } from '../support/failures.js';
import { weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { storedFrame, storedFrames } from '../support/zstd.js';

const MODEL = modelOf([
  weights('a.weight', 'F32', [256, 1024], 1),
  weights('b.weight', 'F32', [128, 1024], 2),
]);
const OPTIONS = { bits: 4, threads: 1 } as const;
let expected: Bytes;

beforeAll(async () => {
  expected = (await host.quantize(MODEL, OPTIONS)).output;
});

const FILES = {
  'frames with a table': storedFrames(MODEL, 100_000, true),
  'frames without a table': storedFrames(MODEL, 300_000, false),
  'one frame': storedFrame(MODEL),
  'one frame of unknown size': storedFrame(MODEL, false),
} as const;

describe.each(Object.entries(FILES))('%s', (_, file) => {
  it('becomes what the model becomes', async () => {
    const { output, report } = await host.quantize(file, OPTIONS);
    expect(output).toEqual(expected);
    expect(report.sizes.sourceBytes).toBe(MODEL.length);
  });

  it('shows the tensors and both sizes', async () => {
    const opened = await host.open(file);
    try {
      expect(opened.catalog.bytes).toBe(MODEL.length);
      expect(opened.catalog.packedBytes).toBe(file.length);
      const { shape } = await opened.tensor('b.weight');
      expect(shape).toEqual([128, 1024]);
    } finally {
      await opened.close();
    }
  });

  it('is an error where it is cut off', async () => {
    for (const length of [20, file.length >> 1, file.length - 1]) {
      const failure = await helpfulFailureOf(host.open(file.subarray(0, length) as Bytes));
      expect(['file-truncated', 'malformed-file']).toContain(failure.code);
    }
  });
});

it('a frame that holds less than it says is an error', async () => {
  for (const hasTable of [true, false]) {
    const file = storedFrames(MODEL, 100_000, hasTable);
    new DataView(file.buffer).setBigUint64(6, 99_999n, true);
    const failure = await helpfulFailureOf(host.quantize(file, OPTIONS));
    expect(failure.code).toBe('malformed-file');
  }
});

it('a model of a few kilobytes needs no table', async () => {
  const small = modelOf([weights('a.weight', 'F32', [8, 128])]);
  const opened = await host.open(storedFrame(small));
  expect(opened.catalog.tensors).toHaveLength(1);
  await opened.close();
});
