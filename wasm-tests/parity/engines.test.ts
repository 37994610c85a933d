/**
 * Every engine that runs here, with every number of threads, makes the bytes that Node makes.
 * It exists because a model must not depend on where it was quantized.
 * The engine that was meant to run is the one that did: otherwise nothing would have been compared.
 */
import { describe, expect, inject, it } from 'vitest';
import { host } from '#host';
import { sha256 } from '../support/bytes.js';
import { CASES, MATRIX } from './cases.js';

const EXPECTED = inject('parity');

it.each(CASES)('$name', async ({ name, model, options }) => {
  expect(EXPECTED[name]).toMatch(/^[0-9a-f]{64}$/);
  const bytes = await model(host.readFile);
  for (const { run, engine } of host.engines) {
    const { output, report } = await host.quantize(bytes, { ...options, ...run });
    expect(report.engine).toEqual(engine);
    expect(await sha256(output), JSON.stringify(run)).toBe(EXPECTED[name]);
  }
});

describe.runIf(inject('matrix'))('matrix', () => {
  const kinds = [...new Set(host.engines.map(({ engine }) => engine.kind))];
  const choices = kinds.flatMap((engine) => [1, 2, 3, 8].map((threads) => ({ engine, threads })));

  it('compares files, not only failures', () => {
    const failures = Object.values(EXPECTED).filter((outcome) => outcome.length !== 64);
    // Some fixtures hold no matrix of floats, some are quantized, one is empty.
    const known = ['nothing-to-quantize', 'already-quantized', 'pattern-unmatched'];
    expect(failures.filter((outcome) => !known.includes(outcome))).toEqual([]);
    expect(failures.length).toBeLessThan(0.25 * MATRIX.length);
  });

  it.each(MATRIX)('$name', async ({ name, model, options }) => {
    const bytes = await model(host.readFile);
    for (const choice of choices) {
      const outcome = await host.quantize(bytes, { ...options, ...choice }).then(
        ({ output }) => sha256(output),
        (error: unknown) => (error instanceof host.MonoquantError ? error.code : String(error)),
      );
      expect(outcome, JSON.stringify(choice)).toBe(EXPECTED[name]);
    }
  });
});
