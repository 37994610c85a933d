/**
 * What quantization costs where theory knows it: normally distributed weights, 2048 × 2048.
 * It exists because a scale, a rounding or a sum that is slightly wrong shows here as a tenth of a decibel.
 * Bounds are those of the theory of uniform quantizers at these widths, and of an exhaustive search of scales.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import type { Bytes } from '../host/host.js';
import { Random } from '../support/random.js';
import { modelOf } from '../support/runs.js';

const SIDE = 2048;

/** Box and Muller's way from two uniform numbers to two normal ones: with true tails, unlike Random.bell. */
function gaussian(count: number, seed: number): Float32Array<ArrayBuffer> {
  const random = new Random(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    const angle = 2 * Math.PI * random.uniform();
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

let model: Bytes;
beforeAll(() => {
  const values = gaussian(SIDE * SIDE, 2048);
  const bytes = new Uint8Array(values.buffer);
  model = modelOf([{ name: 'fc.weight', dtype: 'F32', shape: [SIDE, SIDE], bytes }]);
});

async function sqnrOf(options: PlanOptions): Promise<number> {
  const { report } = await host.quantize(model, { ...options, threads: 1 });
  return report.sqnrDb ?? Number.POSITIVE_INFINITY;
}

describe('SQNR in dB', () => {
  const cases: readonly (readonly [PlanOptions, expected: number, tolerance: number])[] = [
    [{ bits: 4, method: 'rtn' }, 19.1, 0.1],
    [{ bits: 4, method: 'rtn', scheme: 'asymmetric' }, 19.95, 0.1],
    [{ bits: 8 }, 41.7, 0.2],
  ];
  it.each(cases)('%j: %d ± %d', async (options, expected, tolerance) => {
    expect(Math.abs((await sqnrOf(options)) - expected)).toBeLessThanOrEqual(tolerance);
  });

  it('searched scales, negative ones among them, reach 20.3 with 4 symmetric bits', async () => {
    expect(await sqnrOf({ bits: 4 })).toBeGreaterThanOrEqual(20.3);
  });

  it('searches are better than rtn in every scheme', async () => {
    for (const options of [
      { bits: 4, scheme: 'asymmetric' },
      { bits: 8 },
      { bits: 8, scheme: 'asymmetric', weightsOnly: true, groupSize: 128 },
    ] as const) {
      const [rtn, mse] = [
        await sqnrOf({ ...options, method: 'rtn' }),
        await sqnrOf({ ...options, method: 'mse' }),
      ];
      expect(mse, JSON.stringify(options)).toBeGreaterThan(rtn);
    }
  });
});
