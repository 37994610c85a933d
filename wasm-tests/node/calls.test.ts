/**
 * What programs hand in and get out in Node: models by path or as bytes, results as files or in memory, errors as data.
 * Nothing is left in the folder for temporary files, whatever was given.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  calibrate,
  compare,
  load,
  type ModelSource,
  MonoquantError,
  open,
  type Progress,
  quantize,
  validate,
} from '#package/node';
import { Folder } from '../support/cli.js';
import { failureOf } from '../support/failures.js';
import { filled, mixedModel, weights } from '../support/models.js';

const folder = new Folder();
const model = folder.write('model.safetensors', mixedModel('F32'));
const temporary = mkdtempSync(join(tmpdir(), 'monoquant-calls-'));
process.env.TMPDIR = temporary;
afterAll(() => rmSync(temporary, { recursive: true }));

const handles: FileHandle[] = [];
afterEach(async () => {
  // It is the caller's: no call has closed it.
  for (const handle of handles.splice(0)) await handle.close();
});

const SOURCES: Readonly<Record<string, (path: string) => ModelSource | Promise<ModelSource>>> = {
  'a path': (path) => path,
  'a file: URL': (path) => pathToFileURL(path),
  'a Buffer': (path) => readFileSync(path),
  'a Uint8Array that begins inside of its buffer': (path) => {
    const bytes = readFileSync(path);
    const larger = new Uint8Array(bytes.length + 7);
    larger.set(bytes, 5);
    return larger.subarray(5, 5 + bytes.length);
  },
  'an ArrayBuffer': (path) => new Uint8Array(readFileSync(path)).buffer,
  'a Blob': (path) => new Blob([readFileSync(path)]),
  'a File': (path) => new File([readFileSync(path)], 'some name.bin'),
  'a FileHandle': async (path) => {
    const handle = await openFile(path);
    handles.push(handle);
    return handle;
  },
};

describe('a model', () => {
  it.each(Object.keys(SOURCES))('is the same as %s, in every call', async (kind) => {
    const of = async (path: string) => {
      const source = await SOURCES[kind]?.(path);
      if (source === undefined) throw new Error(kind);
      return source;
    };
    const expected = await quantize(model);
    const small = folder.at('small.safetensors');
    await expected.save(small, { force: true });
    const result = await quantize(await of(model));
    expect(Buffer.from(await result.bytes()).equals(readFileSync(small))).toBe(true);
    expect((await result.validate()).valid).toBe(true);
    await result.close();
    await expected.close();

    expect((await validate(await of(small), { reference: await of(model) })).valid).toBe(true);
    const { tensors } = await compare(await of(model), await of(small));
    expect(tensors.length).toBeGreaterThan(1);
    const opened = await open(await of(model));
    expect((await opened.plan()).tensors.length).toBe(opened.names.length);
    const aside = await opened.quantize({ bits: 4 });
    await aside.close();
    await opened.close();
    expect(readdirSync(temporary)).toEqual([]);
  });

  it.each([undefined, null, 5, {}, [], { fd: 'x' }, () => {}])(
    'is none of other things: %j',
    async (thing) => {
      const error = await failureOf(quantize(thing as never), 'invalid-options');
      expect(error.message).toMatch(/path.*bytes/);
    },
  );

  it('is refused as bytes as it is as a file, and leaves nothing', async () => {
    await failureOf(quantize(new Uint8Array(100)), 'malformed-file');
    await failureOf(quantize(new Uint8Array(0)), 'unsupported-format');
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('a result', () => {
  it('is bytes, a Blob and a stream of the same content', async () => {
    const result = await quantize(model, { output: folder.at('out.safetensors'), force: true });
    const file = readFileSync(folder.at('out.safetensors'));
    expect(Buffer.from(await result.bytes()).equals(file)).toBe(true);
    expect(Buffer.from(await (await result.blob()).arrayBuffer()).equals(file)).toBe(true);
    const chunks: Uint8Array[] = [];
    for await (const chunk of result.stream()) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(file)).toBe(true);
    await result.close();
  });

  it('can be read to its end though it is closed meanwhile, and not later', async () => {
    const result = await quantize(model);
    const whole = Buffer.from(await result.bytes());
    const stream = result.stream();
    await result.close();
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(whole)).toBe(true);
    await failureOf(result.bytes(), 'file-not-found');
    await failureOf(result.blob(), 'file-not-found');
    expect(() => result.stream()).toThrow(MonoquantError);
  });

  it('and models, and tensors, are disposed of', async () => {
    const result = await quantize(model);
    const tensors = await load(model);
    const opened = await open(model);
    for (const each of [result, tensors, opened]) await each[Symbol.asyncDispose]();
    expect(readdirSync(temporary)).toEqual([]);
    await failureOf(tensors.tensor(tensors.names[0] ?? ''), 'aborted');
    await failureOf(opened.plan(), 'aborted');
  });
});

describe('a calibration', () => {
  const inputs = folder.write('inputs.safetensors', [
    filled('fc', 'F32', [60, 32], (index) => Math.sin(index)),
  ]);
  const layer = folder.write('layer.safetensors', [weights('fc.weight', 'F32', [16, 32], 1)]);

  it('is kept where the call says, as a document or as statistics', async () => {
    const document = folder.at('kept.json');
    const made = await calibrate(layer, inputs, { output: document });
    expect(JSON.parse(readFileSync(document, 'utf8'))).toEqual(made);
    const statistics = folder.at('kept.safetensors');
    const output = pathToFileURL(statistics);
    await calibrate(layer, inputs, { output, secondMoments: true });
    const kept = await load(statistics);
    expect(kept.names).toContain('fc.in_outer');
    await kept.close();
    const options = { calibration: statistics, bits: 4, method: 'gptq', minElements: 0 } as const;
    const result = await quantize(layer, options);
    expect(result.report.tensors[0]?.quantization?.method).toBe('gptq');
    await result.close();
    await failureOf(calibrate(layer, inputs, { output: document }), 'output-exists');
    await calibrate(layer, inputs, { output: document, force: true });
  });

  it('that fails leaves nothing', async () => {
    const output = folder.at('none.safetensors');
    const other = folder.write('other.safetensors', [filled('x', 'F32', [4, 4], () => 1)]);
    await failureOf(calibrate(layer, other, { output }), 'invalid-options');
    expect(folder.has('none.safetensors')).toBe(false);
    expect(folder.list().filter((name) => name.includes('partial'))).toEqual([]);
  });
});

it('tensors are known by name', async () => {
  const tensors = await load(model);
  expect(tensors.names).toEqual(tensors.catalog.tensors.map(({ name }) => name));
  expect(tensors.has(tensors.names[0] ?? '')).toBe(true);
  expect(tensors.has('toString')).toBe(false);
  for (const name of [undefined, null, 3, {}]) {
    await failureOf(tensors.tensor(name as never), 'invalid-options');
  }
  await tensors.close();
});

it('progress is a fraction of its stage, and never backwards', async () => {
  const all: Progress[] = [];
  await (await quantize(model, { onProgress: (progress) => all.push(progress) })).close();
  let last: Progress | undefined;
  for (const progress of all) {
    expect(progress.fraction).toBeGreaterThanOrEqual(0);
    expect(progress.fraction).toBeLessThanOrEqual(1);
    if (last?.stage === progress.stage) {
      expect(progress.fraction).toBeGreaterThanOrEqual(last.fraction);
    }
    last = progress;
  }
  expect(all.map(({ stage }) => stage)).toContain('verify');
  expect(last?.fraction).toBe(1);
});

describe('an error', () => {
  it('is all in its JSON', async () => {
    const error = await failureOf(open(folder.at('modle.safetensors')), 'file-not-found');
    const { name, code, message, suggestion } = error;
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name, code, message, suggestion });
    const gate = await failureOf(quantize(model, { failUnder: 200 }), 'quality-gate');
    const { report } = JSON.parse(JSON.stringify(gate));
    expect(report.tensors.length).toBeGreaterThan(0);
  });

  it('of a signal has the name that the signal gives', async () => {
    const signals = [
      [AbortSignal.abort(), 'AbortError'],
      [AbortSignal.timeout(0), 'TimeoutError'],
      [AbortSignal.abort(new Error('mine')), 'AbortError'],
    ] as const;
    for (const [signal, name] of signals) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const error = await failureOf(quantize(model, { signal }), 'aborted');
      expect(error.name).toBe(name);
      expect(error).toBeInstanceOf(MonoquantError);
    }
  });
});
