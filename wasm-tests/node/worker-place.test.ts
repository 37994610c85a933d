/**
 * A worker that does not lie where the package put it, as after bundling.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { configure, MonoquantError, open } from '#package/node';
import { Folder } from '../support/cli.js';
import { ROOT } from '../support/markdown.js';
import { weights } from '../support/models.js';

const folder = new Folder();
const model = () => folder.write('model.safetensors', [weights('fc.weight', 'F32', [16, 128])]);

afterEach(() => configure({ workerUrl: undefined }));

describe('the engine', () => {
  it('is unavailable without its worker, and says what helps', async () => {
    configure({ workerUrl: pathToFileURL(folder.at('nowhere.js')) });
    const error = await open(model()).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(MonoquantError);
    const { code, message, suggestion } = error as MonoquantError;
    expect(code).toBe('engine-unavailable');
    expect(message).toContain('nowhere.js');
    expect(suggestion).toContain('external');
  });

  it('comes from where it is said to be', async () => {
    configure({ workerUrl: pathToFileURL(join(ROOT, 'dist/node/worker.js')).href });
    const opened = await open(model());
    expect(opened.catalog.tensors).toHaveLength(1);
    await opened.close();
  });

  it('takes nothing but an address', () => {
    // @ts-expect-error: no address
    expect(() => configure({ workerUrl: 3 })).toThrow(/workerUrl/);
    // @ts-expect-error: no such setting
    expect(() => configure({ workerUri: 'x' })).toThrow('workerUri');
  });
});
