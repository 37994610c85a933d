/**
 * What only Node has: results that wait to be saved, outputs with names, programs that end.
 * It exists because these are promises about files and processes, which browsers do not have.
 * A result keeps its file for as long as it is open, and not a moment longer.
 */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { MonoquantError, open, type Progress, quantize } from '#package/node';
import { Folder, start } from '../support/cli.js';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';

const ENTRY = pathToFileURL(join(import.meta.dirname, '../../dist/node/index.js')).href;
const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));
const temporary = mkdtempSync(join(tmpdir(), 'monoquant-results-'));
process.env.TMPDIR = temporary;
afterAll(() => rmSync(temporary, { recursive: true }));

beforeEach(() => {
  for (const name of folder.list()) if (name !== 'model.safetensors') rmSync(folder.at(name));
});

describe('a result without a name', () => {
  it('is saved as often as one likes, and gone when it is closed', async () => {
    const result = await quantize(model);
    expect(result.output).toBeUndefined();
    expect(readdirSync(temporary).length).toBe(1);
    await result.save(folder.at('a.safetensors'));
    await result.save(folder.at('b.safetensors'));
    expect(
      readFileSync(folder.at('a.safetensors')).equals(readFileSync(folder.at('b.safetensors'))),
    ).toBe(true);
    writeFileSync(folder.at('a.safetensors'), 'changed');
    expect(readFileSync(folder.at('b.safetensors')).length).toBe(result.report.sizes.outputBytes);
    await result.close();
    await result.close();
    expect(readdirSync(temporary)).toEqual([]);
    expect(folder.has('b.safetensors')).toBe(true);
    await failureOf(result.save(folder.at('c.safetensors')), 'file-not-found');
  });

  it('overwrites nothing without force, and never the model', async () => {
    const result = await quantize(model);
    writeFileSync(folder.at('a.safetensors'), 'precious');
    await failureOf(result.save(folder.at('a.safetensors')), 'output-exists');
    expect(readFileSync(folder.at('a.safetensors'), 'utf8')).toBe('precious');
    await failureOf(result.save(model, { force: true }), 'invalid-options');
    await failureOf(result.save(''), 'invalid-options');
    await failureOf(result.save('/proc/none/where.safetensors'), 'write-failed');
    await result.save(folder.at('a.safetensors'), { force: true });
    expect(readFileSync(folder.at('a.safetensors')).length).toBe(result.report.sizes.outputBytes);
    await result.close();
    expect(folder.list()).toEqual(['a.safetensors', 'model.safetensors']);
  });
});

describe('a result with a name', () => {
  it('is there when the call is done, and stays', async () => {
    const result = await quantize(pathToFileURL(model), { output: folder.at('named.safetensors') });
    expect(result.output).toBe(folder.at('named.safetensors'));
    await result.save(folder.at('copy.safetensors'));
    await result.close();
    expect(
      readFileSync(folder.at('named.safetensors')).equals(
        readFileSync(folder.at('copy.safetensors')),
      ),
    ).toBe(true);
    await failureOf(quantize(model, { output: folder.at('named.safetensors') }), 'output-exists');
    await quantize(model, { output: folder.at('named.safetensors'), force: true, bits: 4 });
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('is absent when the call fails', async () => {
    await failureOf(
      quantize(model, { output: folder.at('named.safetensors'), failUnder: 100 }),
      'quality-gate',
    );
    await failureOf(quantize(model, { output: model, force: true }), 'invalid-options');
    expect(folder.list()).toEqual(['model.safetensors']);
  });
});

describe('an output that the disk changes', () => {
  // Everything has been written, and nothing has been read back.
  const afterEncoding = (damage: (path: string) => void) => {
    let isDone = false;
    return ({ stage, bytes, totalBytes }: Progress) => {
      if (isDone || stage !== 'encode' || bytes !== totalBytes) return;
      isDone = true;
      damage(folder.partialOf('o.safetensors') ?? '');
    };
  };

  it.each([
    ['the first byte of the header', 0],
    ['a digit of the header', 40],
    ['the first codes', -40_000],
    ['the last byte', -1],
  ])('is found out: %s', async (_, offset) => {
    const onProgress = afterEncoding((path) => {
      const bytes = readFileSync(path);
      const at = offset < 0 ? bytes.length + offset : offset;
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      const file = openSync(path, 'r+');
      writeSync(file, bytes);
      closeSync(file);
    });
    const run = quantize(model, { output: folder.at('o.safetensors'), threads: 2, onProgress });
    await failureOf(run, 'verification-failed');
    expect(folder.list()).toEqual(['model.safetensors']);
  });

  it.each([1, 20_000])('is found out: %i bytes are missing', async (missing) => {
    const onProgress = afterEncoding((path) => truncateSync(path, statSync(path).size - missing));
    await failureOf(quantize(model, { output: folder.at('o.safetensors'), onProgress }));
    expect(folder.list()).toEqual(['model.safetensors']);
  });
});

describe('models', () => {
  it('are paths and file URLs, and nothing else', async () => {
    for (const wrong of [42, '', new URL('ftp://example.org/model.safetensors'), undefined]) {
      await failureOf(open(wrong as string), 'invalid-options');
    }
    const missing = await failureOf(open(folder.at('modle.safetensors')), 'file-not-found');
    expect(missing.suggestion).toContain('model.safetensors');
    await failureOf(open('/dev/null'), 'read-failed');
    await failureOf(open(folder.at('x'.repeat(300))), 'read-failed');
  });

  it('that change during the run are noticed', async () => {
    const changing = folder.write('changing', mixedModel('F32'));
    const bytes = readFileSync(changing);
    const run = quantize(changing, {
      output: folder.at('o.safetensors'),
      onProgress: ({ stage }) => {
        if (stage === 'verify') writeFileSync(changing, bytes.subarray(0, bytes.length - 8));
      },
    });
    await failureOf(run, 'file-changed');
    expect(folder.has('o.safetensors')).toBe(false);
  });
});

it('a change of a model is noticed although its time was put back', async () => {
  const changing = folder.write('changing', mixedModel('F32'));
  const bytes = readFileSync(changing);
  const { atime, mtime } = statSync(changing);
  const run = quantize(changing, {
    output: folder.at('o.safetensors'),
    onProgress: ({ stage }) => {
      if (stage !== 'verify') return;
      writeFileSync(changing, bytes);
      utimesSync(changing, atime, mtime);
    },
  });
  await failureOf(run, 'file-changed');
  expect(folder.has('o.safetensors')).toBe(false);
});

it('what a killed program did not save is removed by the next one', async () => {
  const program = `import { quantize } from ${JSON.stringify(ENTRY)};
    await quantize(${JSON.stringify(model)});
    process.kill(process.pid, 'SIGKILL');`;
  const words = ['--input-type=module', '--eval', program];
  await start(process.execPath, words).finished;
  expect(readdirSync(temporary).length).toBe(1);
  const mine = mkdtempSync(join(temporary, 'monoquant-'));
  const result = await quantize(model);
  expect(readdirSync(temporary).length).toBe(2);
  await result.close();
  expect(readdirSync(temporary)).toEqual([basename(mine)]);
  rmSync(mine, { recursive: true });
});

it('programs end by themselves, and take what they did not save with them', async () => {
  const program = `import { open, quantize } from ${JSON.stringify(ENTRY)};
    const result = await quantize(${JSON.stringify(model)});
    const model = await open(${JSON.stringify(model)});
    await model.plan();`;
  const words = ['--input-type=module', '--eval', program];
  expect((await start(process.execPath, words).finished).code).toBe(0);
  expect(readdirSync(temporary)).toEqual([]);
});

it('an open model may be removed', async () => {
  const removed = folder.write('removed', mixedModel('F32'));
  const opened = await open(removed);
  rmSync(removed);
  expect((await opened.plan()).tensors.length).toBe(opened.catalog.tensors.length);
  await opened.close();
  expect(existsSync(removed)).toBe(false);
});

it('errors are of one class', async () => {
  const error = await open('').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MonoquantError);
  expect(error).toBeInstanceOf(Error);
});
