/**
 * The host of tests in Node: models are files in a folder of this test file's own.
 * It exists as Node's half of `#host`.
 * That folder is also where the package keeps results without a name, so that leftovers show.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import * as monoquant from '#package/node';
import type { AnyModel, Host, Outcome } from './host.js';

const ROOT = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'monoquant-test-'));
const models = join(folder, 'models');
const results = join(folder, 'results');
mkdirSync(models);
mkdirSync(results);
process.env.TMPDIR = results;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;

/** Calls `use` with the path of a file that holds `model`, or of a folder of its files. */
async function withFile<Result>(
  model: AnyModel,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const isFile = model instanceof Uint8Array;
  const path = join(models, `model-${count++}${isFile ? '.safetensors' : ''}`);
  if (isFile) writeFileSync(path, model);
  else {
    mkdirSync(path);
    for (const { name, bytes } of model) writeFileSync(join(path, name), bytes);
  }
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true });
  }
}

async function outcomeOf(call: Promise<monoquant.QuantizeResult>): Promise<Outcome> {
  const result = await call;
  const { container } = result.report.configuration;
  const saved = join(models, `output-${count++}.${container}`);
  try {
    await result.save(saved);
    const output = new Uint8Array(readFileSync(saved));
    return { report: result.report, warnings: result.warnings, output };
  } finally {
    await result.close();
    rmSync(saved, { force: true });
  }
}

export const host: Host = {
  MonoquantError: monoquant.MonoquantError,
  version: monoquant.version,
  readFile: async (address) => new Uint8Array(await readFile(join(ROOT, address))),
  open: (model, options) => withFile(model, (path) => monoquant.open(path, options)),
  withHandle: (model, options, use) =>
    withFile(model, async (path) => {
      const handle = await monoquant.open(path, options);
      const { catalog } = handle;
      try {
        return await use({
          catalog,
          plan: (choices) => handle.plan(choices),
          tensor: (name) => handle.tensor(name),
          calibrate: (data, choices) => handle.calibrate(data, choices),
          close: () => handle.close(),
          quantize: (choices) => outcomeOf(handle.quantize(choices)),
          validate: (bytes, run) =>
            bytes === undefined
              ? handle.validate(run)
              : withFile(bytes, (file) => handle.validate({ ...run, file })),
          compare: (bytes, run) => withFile(bytes, (file) => handle.compare(file, run)),
          distribution: (bytes, tensor, run) =>
            withFile(bytes, (file) => handle.distribution(file, tensor, run)),
        });
      } finally {
        await handle.close();
      }
    }),
  quantize: (model, options) =>
    withFile(model, (path) => outcomeOf(monoquant.quantize(path, options))),
  convert: (model, options) =>
    withFile(model, (path) => outcomeOf(monoquant.convert(path, options))),
  dequantize: (model, options) =>
    withFile(model, (path) => outcomeOf(monoquant.dequantize(path, options))),
  load: (model, options) => withFile(model, (path) => monoquant.load(path, options)),
  compare: (first, second, options) =>
    withFile(first, (one) => withFile(second, (other) => monoquant.compare(one, other, options))),
  distribution: (first, second, tensor, options) =>
    withFile(first, (one) =>
      withFile(second, (other) => monoquant.distribution(one, other, tensor, options)),
    ),
  validate: (file, { reference, ...options } = {}) =>
    withFile(file, (path) =>
      reference === undefined
        ? monoquant.validate(path, options)
        : withFile(reference, (other) =>
            monoquant.validate(path, { ...options, reference: other }),
          ),
    ),
  checkedResult: (model, options) =>
    withFile(model, async (path) => {
      const result = await monoquant.quantize(path, options);
      try {
        const validation = await result.validate();
        const { output } = await outcomeOf(result.dequantize({ dtype: 'F32' }));
        return { validation, values: output };
      } finally {
        await result.close();
      }
    }),
  calibrate: (model, data, options) =>
    withFile(model, (path) => monoquant.calibrate(path, data, options)),
  withData: async (files, use) => {
    const data = mkdtempSync(join(folder, 'data-'));
    try {
      const paths = files.map(({ name, bytes }, index) => {
        const path = join(data, `${index}-${name}`);
        writeFileSync(path, bytes);
        return path;
      });
      return await use(paths);
    } finally {
      rmSync(data, { recursive: true });
    }
  },
  leftovers: async () => readdirSync(results),
  engines: [
    ...[2, 3, 4, 5].map((threads) => ({
      run: { threads },
      engine: { kind: 'st', threads } as const,
    })),
    ...[2, 4].map((threads) => ({
      run: { threads, engine: 'mt' as const },
      engine: { kind: 'mt', threads } as const,
    })),
  ],
};
