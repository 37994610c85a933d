/**
 * How much a page must fetch for its engine, which it does when it is shown already.
 * It exists because every template and table of the core is downloaded by everybody, and grows unseen.
 * A page on plain static hosting comes in gzip; others send brotli.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

/** Bytes of the glue and the WebAssembly together, as they cross the wire. */
const BUDGETS = { gzip: 536_000, brotli: 431_000 };

const WASM = join(import.meta.dirname, '../../dist/wasm');

const COMPRESSORS = {
  gzip: (bytes: Buffer) => gzipSync(bytes, { level: 9 }),
  brotli: (bytes: Buffer) =>
    brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
};

describe('the engine for pages', () => {
  it.each(['gzip', 'brotli'] as const)('is within its budget as %s', (coding) => {
    const sizes = ['monoquant-st.mjs', 'monoquant-st.wasm'].map(
      (name) => COMPRESSORS[coding](readFileSync(join(WASM, name))).length,
    );
    const [glue, wasm] = sizes as [number, number];
    const budget = BUDGETS[coding];
    expect(
      glue + wasm,
      `${coding}: glue ${glue} + wasm ${wasm} bytes, budget ${budget}`,
    ).toBeLessThanOrEqual(budget);
  });
});
