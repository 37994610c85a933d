/**
 * Every engine that runs here, with every number of threads, makes the bytes that Node makes.
 * It exists because a model must not depend on where it was quantized.
 * The engine that was meant to run is the one that did: otherwise nothing would have been compared.
 */
import { describe, expect, inject, it } from 'vitest';
import { host } from '#host';
import { sha256 } from '../support/bytes.js';
import { CASES } from './cases.js';

const EXPECTED = inject('parity');

describe.each(CASES)('$name', ({ name, model, options }) => {
  it('is the same from every engine', async () => {
    expect(EXPECTED[name]).toMatch(/^[0-9a-f]{64}$/);
    const bytes = model();
    for (const { run, engine } of host.engines) {
      const { output, report } = await host.quantize(bytes, { ...options, ...run });
      expect(report.engine).toEqual(engine);
      expect(await sha256(output), JSON.stringify(run)).toBe(EXPECTED[name]);
    }
  });
});
