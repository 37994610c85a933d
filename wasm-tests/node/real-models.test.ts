/**
 * Published models come out as PyTorch reads them, and searched scales are worth their time on them.
 * It exists because files made for tests never show what years of releases have left in real ones.
 * The models are not kept here: MONOQUANT_REAL_MODELS names a folder of them, each with a .json of its tensors.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import { sha256 } from '../support/bytes.js';
import { readSafetensors } from '../support/safetensors.js';

interface Sidecar {
  readonly file: string;
  readonly tensors: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly sha256: string }>
  >;
}

const FOLDER = process.env.MONOQUANT_REAL_MODELS ?? '';
const sidecars: readonly Sidecar[] = existsSync(FOLDER)
  ? readdirSync(FOLDER)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')))
  : [];

describe.skipIf(sidecars.length === 0)('models in MONOQUANT_REAL_MODELS', () => {
  it.each(sidecars.map((sidecar) => ({ ...sidecar, name: sidecar.file })))(
    '$name',
    async ({ file, tensors }) => {
      const model = new Uint8Array(readFileSync(join(FOLDER, file)));
      const options = { key: '', duplicateTies: true, threads: 1 } as const;
      const converted = readSafetensors((await host.convert(model, options)).output);
      expect([...converted.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
      for (const [name, expected] of Object.entries(tensors)) {
        const found = converted.tensors.get(name);
        expect(found?.shape, name).toEqual(expected.shape);
        expect(await sha256(found?.bytes.slice() ?? new Uint8Array()), name).toBe(expected.sha256);
      }
    },
  );

  it.each(
    sidecars.flatMap(({ file }) =>
      (['symmetric', 'asymmetric'] as const).map((scheme) => ({ file, scheme })),
    ),
  )('searches are better than rtn in every tensor: $file, $scheme', async ({ file, scheme }) => {
    const model = new Uint8Array(readFileSync(join(FOLDER, file)));
    const options = { bits: 4, scheme, minElements: 0, threads: 1 } as const;
    const [rtn, mse] = [
      (await host.quantize(model, { ...options, method: 'rtn' })).report,
      (await host.quantize(model, options)).report,
    ];
    const before = new Map(rtn.tensors.map(({ name, sqnrDb }) => [name, sqnrDb]));
    expect(mse.tensors.length).toBeGreaterThan(0);
    for (const { name, sqnrDb } of mse.tensors) {
      if (sqnrDb !== null) expect(sqnrDb, name).toBeGreaterThan(before.get(name) ?? Infinity);
    }
    expect(mse.sqnrDb).toBeGreaterThan(rtn.sqnrDb ?? Infinity);
  });
});
