/**
 * A worker that is not where the package expects it, as after bundlers that leave it behind.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { configure, open } from '#package/browser';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { modelOf } from '../support/runs.js';

const MODEL = new Blob([modelOf(mixedModel('F32'))]);

afterEach(() => configure({ workerUrl: undefined }));

describe('the engine', () => {
  it.each([
    ['is not there', '/nowhere/worker.js'],
    ['may not be loaded', 'https://elsewhere.invalid/worker.js'],
  ])('whose worker %s is unavailable, and says what helps', async (_, workerUrl) => {
    configure({ workerUrl });
    // Another engine than those that rest.
    const error = await failureOf(open(MODEL, { threads: 3 }), 'engine-unavailable');
    expect(error.suggestion).toContain('configure({ workerUrl:');
  });

  it('comes from where it is said to be', async () => {
    configure({ workerUrl: new URL('../../dist/browser/worker.js', import.meta.url) });
    const model = await open(MODEL, { threads: 3 });
    expect(model.catalog.tensors.length).toBeGreaterThan(0);
    await model.close();
  });
});
