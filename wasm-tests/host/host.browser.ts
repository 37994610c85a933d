/**
 * The host of tests in browsers: models are Blobs, files of the checkout come from the test server.
 * It exists as the browsers' half of `#host`.
 * Leftovers are whatever the package keeps in the origin's private files.
 */

import type { EngineInfo } from '#package';
import * as monoquant from '#package/browser';
import type { AnyModel, Host, Outcome } from './host.js';

const ALONE: EngineInfo = { kind: 'st', threads: 1 };

async function outcomeOf(call: Promise<monoquant.QuantizeResult>): Promise<Outcome> {
  const result = await call;
  try {
    const output = new Uint8Array(await result.blob().arrayBuffer());
    return { report: result.report, warnings: result.warnings, output };
  } finally {
    await result.close();
  }
}

function modelFile(model: AnyModel): monoquant.ModelSource {
  if (model instanceof Uint8Array) return new File([model], 'model');
  return model.map(({ name, bytes }) => new File([bytes], name));
}

export const host: Host = {
  MonoquantError: monoquant.MonoquantError,
  version: monoquant.version,
  readFile: async (address) => {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },
  open: (model, options) => monoquant.open(modelFile(model), options),
  withHandle: async (model, options, use) => {
    const handle = await monoquant.open(modelFile(model), options);
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
          handle.validate(bytes === undefined ? run : { ...run, file: modelFile(bytes) }),
        compare: (bytes, run) => handle.compare(modelFile(bytes), run),
        distribution: (bytes, tensor, run) => handle.distribution(modelFile(bytes), tensor, run),
      });
    } finally {
      await handle.close();
    }
  },
  quantize: (model, options) => outcomeOf(monoquant.quantize(modelFile(model), options)),
  convert: (model, options) => outcomeOf(monoquant.convert(modelFile(model), options)),
  dequantize: (model, options) => outcomeOf(monoquant.dequantize(modelFile(model), options)),
  load: (model, options) => monoquant.load(modelFile(model), options),
  compare: (first, second, options) =>
    monoquant.compare(modelFile(first), modelFile(second), options),
  distribution: (first, second, tensor, options) =>
    monoquant.distribution(modelFile(first), modelFile(second), tensor, options),
  validate: (file, { reference, ...options } = {}) =>
    monoquant.validate(modelFile(file), {
      ...options,
      ...(reference === undefined ? {} : { reference: modelFile(reference) }),
    }),
  checkedResult: async (model, options) => {
    const result = await monoquant.quantize(modelFile(model), options);
    try {
      const validation = await result.validate();
      const { output } = await outcomeOf(result.dequantize({ dtype: 'F32' }));
      return { validation, values: output };
    } finally {
      await result.close();
    }
  },
  calibrate: (model, data, options) => monoquant.calibrate(modelFile(model), data, options),
  withData: (files, use) => use(files.map(({ name, bytes }) => new File([bytes], name))),
  leftovers: async () => {
    const names: string[] = [];
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('monoquant', { create: true });
    for await (const name of folder.keys()) names.push(name);
    return names;
  },
  engines: [
    { run: { threads: 1 }, engine: ALONE },
    { run: { threads: 3, engine: 'st' }, engine: ALONE },
    // Where memory cannot be shared, there are no threads, whoever asks for them.
    ...[2, 3, 4].map((threads) => ({
      run: { threads },
      engine: globalThis.crossOriginIsolated ? ({ kind: 'mt', threads } as const) : ALONE,
    })),
  ],
};
