/**
 * Every engine that runs here, with every number of threads, makes the bytes that Node makes.
 * It exists because a model must not depend on where it was quantized.
 * The engine that was meant to run is the one that did: otherwise nothing would have been compared.
 */
import { expect, inject, it } from 'vitest';
import { host } from '#host';
import { sha256 } from '../support/bytes.js';
import { CASES } from './cases.js';

const EXPECTED = inject('parity');

it.each(CASES)('$name', async ({ name, model, options }) => {
  expect(EXPECTED[name]).toMatch(/^[0-9a-f]{64}$/);
  for (const { run, engine } of host.engines) {
    const { output, report } = await host.quantize(model(), { ...options, ...run });
    expect(report.engine).toEqual(engine);
    expect(await sha256(output), JSON.stringify(run)).toBe(EXPECTED[name]);
  }
});
