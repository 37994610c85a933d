/**
 * Files that are compressed while they are read.
 * It exists because pages save compressed outputs without keeping them.
 * What was compressed is a model as it was before. That its bytes are the command's is shown in site/.
 */
import { expect, it } from 'vitest';
import { compress, MonoquantError, open } from '#package/browser';
import type { Bytes } from '../host/host.js';
import { expectSameBytes, sha256 } from '../support/bytes.js';
import { failureOf } from '../support/failures.js';
import { filled } from '../support/models.js';
import { modelOf } from '../support/runs.js';

/** Three frames, the last of them short; a pattern that compresses. */
const MODEL = modelOf([
  filled('a.weight', 'F32', [1024, 1024], (index) => (index % 16) / 16),
  filled('b.weight', 'F32', [1024, 1280], (index) => (index % 9) / 9),
]);
const FRAME = 4 << 20;

async function compressed(...[file, options]: Parameters<typeof compress>): Promise<Bytes> {
  const parts: Blob[] = [];
  const reader = compress(file, options).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(new Blob([value]));
  }
}

it('is the same model, smaller, of which any part can be read', async () => {
  const packed = await compressed(new Blob([MODEL]));
  expect(packed.length).toBeLessThan(MODEL.length / 2);
  const [plain, unpacked] = await Promise.all([
    open(new Blob([MODEL]), { threads: 1 }),
    open(new Blob([packed]), { threads: 1 }),
  ]);
  try {
    expect(unpacked.catalog.packedBytes).toBe(packed.length);
    expect(unpacked.catalog.bytes).toBe(MODEL.length);
    for (const name of ['a.weight', 'b.weight']) {
      const [one, other] = [await unpacked.tensor(name), await plain.tensor(name)];
      expectSameBytes(one.bytes, other.bytes, name);
    }
  } finally {
    await plain.close();
    await unpacked.close();
  }
});

it('has levels, says how far it is, and compresses whatever there is', async () => {
  const stages: number[] = [];
  const file = new File([MODEL.slice(0, FRAME + 100)], 'half');
  const quick = await compressed(file, {
    zstdLevel: 1,
    onProgress: ({ stage, bytes, totalBytes }) => {
      expect(stage).toBe('compress');
      expect(totalBytes).toBe(file.size);
      stages.push(bytes);
    },
  });
  expect(stages.at(-1)).toBe(file.size);
  expect(await sha256(quick)).not.toBe(await sha256(await compressed(file, { zstdLevel: 19 })));
});

it('what is no file, or no level, is an error at once', async () => {
  const file = new Blob([MODEL]);
  for (const call of [
    () => compress('model' as unknown as Blob),
    () => compress(file, { zstdLevel: 0 }),
    () => compress(file, { level: 3 } as object),
  ]) {
    expect(call).toThrow(MonoquantError);
  }
});

it('ends with its signal, and with its reader', async () => {
  const abort = new AbortController();
  const onProgress = () => abort.abort();
  const file = new Blob([MODEL]);
  await failureOf(compressed(file, { signal: abort.signal, onProgress }), 'aborted');
  const reader = compress(file).getReader();
  await reader.read();
  await reader.cancel();
  // Whoever comes next is served.
  expect((await compressed(file)).length).toBeGreaterThan(0);
});
