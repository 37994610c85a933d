/**
 * What only pages have: isolation or none, Blobs that go away, workers that fail.
 * It exists because a page that hangs tells nobody why.
 * The package says which engine ran, and works where memory cannot be shared.
 */
import { describe, expect, it, vi } from 'vitest';
import { ERROR_CODES, MonoquantError, open, preload, quantize } from '#package/browser';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { enginesStartIn, withPrelude } from '../support/worker-prelude.js';

const MODEL = new Blob([modelOf(mixedModel('F32'))]);
const IS_ISOLATED = globalThis.crossOriginIsolated;

describe('the engine', () => {
  it('says what ran: threads where the page is isolated, one where it is not', async () => {
    const result = await quantize(MODEL, { threads: 2 });
    expect(result.report.engine).toEqual(
      IS_ISOLATED ? { kind: 'mt', threads: 2 } : { kind: 'st', threads: 1 },
    );
    await result.close();
  });

  it('says before any model what will run', async () => {
    expect(await preload({ threads: 2 })).toEqual(
      IS_ISOLATED ? { kind: 'mt', threads: 2 } : { kind: 'st', threads: 1 },
    );
    await failureOf(preload({ signal: AbortSignal.abort() }), 'aborted');
  });

  it('is the one without threads where one is asked for', async () => {
    const result = await quantize(MODEL, { threads: 1 });
    expect(result.report.engine).toEqual({ kind: 'st', threads: 1 });
    await result.close();
  });

  it.skipIf(IS_ISOLATED)('runs where there is no SharedArrayBuffer', async () => {
    expect(typeof SharedArrayBuffer).toBe('undefined');
    const result = await quantize(MODEL);
    expect(result.blob().size).toBe(result.report.sizes.outputBytes);
    await result.close();
  });

  it.runIf(IS_ISOLATED)('runs where the worker has no SharedArrayBuffer', async () => {
    await enginesStartIn(withPrelude(() => void Reflect.deleteProperty(self, 'SharedArrayBuffer')));
    const result = await quantize(MODEL, { threads: 2 });
    expect(result.report.engine).toEqual({ kind: 'st', threads: 1 });
    await result.close();
  });

  it('is started again if it does not come up', async () => {
    const hanging = withPrelude(() => {
      for (;;);
    });
    let starts = 0;
    await enginesStartIn((Original) => {
      const Hanging = hanging(Original);
      return class extends Original {
        constructor(url: string | URL, options?: WorkerOptions) {
          super(url, options);
          starts += 1;
          if (starts > 2) return;
          super.terminate();
          // biome-ignore lint/correctness/noConstructorReturn: it takes the place of the one that works
          return new Hanging(url, options);
        }
      };
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const run = quantize(MODEL, { threads: 2 });
      while (starts < 3) await vi.advanceTimersByTimeAsync(1000);
      vi.useRealTimers();
      const result = await run;
      expect(result.report.engine).toEqual({ kind: 'st', threads: 1 });
      await result.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('that cannot be loaded is an error, not silence', async () => {
    await enginesStartIn(elsewhere);
    await failureOf(quantize(MODEL), 'engine-unavailable');
  });
});

describe('errors', () => {
  it('are of the class that is exported, although they come from a worker', async () => {
    const error = await open(new Blob(['nonsense, and a bit more of it'])).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(MonoquantError);
    expect(error).toBeInstanceOf(Error);
    expect(ERROR_CODES).toContain((error as MonoquantError).code);
    const { stack } = error as MonoquantError;
    expect(stack).toMatch(/\.js:\d/);
    // Some browsers begin a stack with the name and the message.
    if (new RangeError('here').stack?.includes('RangeError')) {
      expect(stack).toContain('MonoquantError');
    }
  });

  it('come where no Blob is given', async () => {
    for (const wrong of ['model.safetensors', new Uint8Array(8), undefined, null]) {
      await failureOf(open(wrong as unknown as Blob), 'invalid-options');
      await failureOf(quantize(wrong as unknown as Blob), 'invalid-options');
    }
  });

  it('come where an option is one of Node', async () => {
    const error = await failureOf(quantize(MODEL, { output: 'x' } as object), 'invalid-options');
    expect(error.message).toContain('"output"');
  });
});

it('a result is readable until it is closed, and as often as one likes', async () => {
  const result = await quantize(MODEL, { bits: 4, groupSize: 32 });
  const first = await result.blob().arrayBuffer();
  const second = await result.blob().arrayBuffer();
  expect(new Uint8Array(second)).toEqual(new Uint8Array(first));
  await result.close();
  await result.close();
});

it('requests nothing but its own files', async () => {
  const before = performance.getEntriesByType('resource').length;
  const result = await quantize(MODEL);
  await result.close();
  const entries = performance.getEntriesByType('resource').slice(before);
  for (const { name } of entries) expect(new URL(name).origin).toBe(location.origin);
});

/** Workers whose script is not where it should be. */
function elsewhere(Original: typeof Worker): typeof Worker {
  return class extends Original {
    constructor(_: string | URL, options?: WorkerOptions) {
      super(new URL('/nowhere/worker.js', location.href), options);
    }
  };
}
