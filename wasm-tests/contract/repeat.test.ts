/**
 * The configuration in a report is a choice like any other: given back, it repeats the run.
 * It exists because a result that nobody can make again proves nothing.
 * Whatever was chosen: the configuration yields itself, and the output has the same bytes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { host } from '#host';
import {
  BITS,
  CONTAINERS,
  FLOAT_TYPES,
  GROUP_SIZES,
  LAYER_KINDS,
  METHODS,
  MODES,
  type PlanOptions,
  SCALE_TYPES,
  SCHEMES,
  STRATEGIES,
  WANTED_METHODS,
} from '#package';
import type { PlannedModel } from '../host/host.js';
import { failureOf } from '../support/failures.js';
import { mixedModel } from '../support/models.js';
import { Random } from '../support/random.js';
import { modelOf } from '../support/runs.js';

const MODEL = modelOf(mixedModel('F32'));
const ONE_THREAD = { threads: 1 } as const;

let model: PlannedModel;
beforeAll(async () => {
  model = await host.open(MODEL);
});
afterAll(() => model.close());

/** Any options at all: many of them contradict each other. */
function anyOptions(random: Random): PlanOptions {
  const oneOf = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
  const often = (share: number, options: () => object) =>
    random.uniform() < share ? options() : {};
  const someOf = <T>(values: readonly T[]) => values.filter(() => random.below(3) === 0);
  const patterns = ['fc', 'lstm', 're:g', '*.weight_hh_l0', 'image.weight'];
  const override = () => ({
    pattern: oneOf(patterns),
    ...often(0.7, () => ({ bits: oneOf([...BITS, 'none']) })),
    ...often(0.3, () => ({ scheme: oneOf(SCHEMES) })),
    ...often(0.2, () => ({ groupSize: oneOf(GROUP_SIZES) })),
    ...often(0.3, () => ({ method: oneOf(METHODS) })),
  });
  return {
    ...often(0.8, () => ({ bits: oneOf([...BITS, 'none']) })),
    ...often(0.2, () => ({ mode: oneOf(MODES) })),
    ...often(0.2, () => ({ weightsOnly: random.below(4) > 0 })),
    ...often(0.1, () => ({ dynamic: random.below(2) > 0 })),
    ...often(0.3, () => ({ scheme: oneOf(SCHEMES) })),
    ...often(0.2, () => ({ strategy: oneOf(STRATEGIES) })),
    ...often(0.2, () => ({ groupSize: oneOf(GROUP_SIZES) })),
    ...often(0.3, () => ({ method: oneOf(WANTED_METHODS) })),
    ...often(0.2, () => ({ scaleType: oneOf(SCALE_TYPES) })),
    ...often(0.2, () => ({ floatType: oneOf(FLOAT_TYPES) })),
    ...often(0.2, () => ({ container: oneOf(CONTAINERS) })),
    ...often(0.2, () => ({ duplicateTies: random.below(2) > 0 })),
    ...often(0.2, () => ({ layers: ['linear', ...someOf(LAYER_KINDS)] })),
    ...often(0.2, () => ({ ignore: someOf(patterns) })),
    ...often(0.2, () => ({ defaultIgnore: random.below(2) > 0 })),
    ...often(0.4, () => ({ overrides: Array.from({ length: 1 + random.below(3) }, override) })),
    ...often(0.2, () => ({ minElements: random.below(2000) })),
  } as PlanOptions;
}

it('yields itself, and the same plan, whatever was chosen', async () => {
  const random = new Random(20);
  const kinds = new Map<string, number>();
  for (let round = 0; round < 2500; round++) {
    const options = anyOptions(random);
    const plan = await model.plan(options).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'invalid-options' });
      return undefined;
    });
    if (plan === undefined) continue;
    const again = await model.plan(plan.configuration as PlanOptions);
    expect(again, JSON.stringify(options)).toEqual(plan);
    const { bits, strategy, overrides } = plan.configuration;
    const kind = `${bits} ${strategy} ${overrides.length > 0}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  // Every kind of configuration has come by, or this says little.
  for (const bits of ['4 group', '4 channel', '8 tensor', '8 channel', '8 group', '16 channel']) {
    for (const overrides of [true, false]) {
      expect(kinds.get(`${bits} ${overrides}`), `${bits} ${overrides}`).toBeGreaterThan(0);
    }
  }
  expect(kinds.get('none channel false')).toBeGreaterThan(0);
});

describe('the same bytes', () => {
  const cases: readonly PlanOptions[] = [
    {},
    { bits: 4, scheme: 'asymmetric', groupSize: 32 },
    { bits: 4, strategy: 'channel', method: 'rtn' },
    { strategy: 'tensor', ignore: ['lstm'], minElements: 100 },
    { bits: 16, floatType: 'BF16', layers: ['linear'] },
    {
      weightsOnly: true,
      method: 'rtn',
      overrides: [
        { pattern: 'fc', bits: 4 },
        { pattern: 'gru', bits: 16 },
      ],
    },
    { bits: 'none', container: 'pt' },
  ];

  it.each(cases)('%j', async (options) => {
    const first = await host.quantize(MODEL, { ...options, ...ONE_THREAD });
    const again = await host.quantize(MODEL, { ...first.report.configuration, ...ONE_THREAD });
    expect(again.report.configuration).toEqual(first.report.configuration);
    expect(again.output).toEqual(first.output);
  });

  it('of a conversion', async () => {
    const first = await host.convert(MODEL, { container: 'pt', ...ONE_THREAD });
    const again = await host.convert(MODEL, { ...first.report.configuration, ...ONE_THREAD });
    expect(again.output).toEqual(first.output);
    const copied = await host.quantize(MODEL, { ...first.report.configuration, ...ONE_THREAD });
    expect(copied.output).toEqual(first.output);
  });
});

it('what somebody chose is still told from what a configuration spells out', async () => {
  const { configuration } = await model.plan({ bits: 16 });
  await model.plan({ ...configuration, floatType: 'BF16' });
  const error = await failureOf(model.plan({ ...configuration, scheme: 'asymmetric' }));
  expect(error.message).toContain('scheme');
  await failureOf(model.plan({ bits: 16, scheme: 'symmetric' }), 'invalid-options');
});

it('a plan cannot take another part than the model was opened with', async () => {
  const { configuration } = await model.plan();
  const error = await failureOf(model.plan({ ...configuration, key: 'ema' } as PlanOptions));
  expect(error.message).toContain('"ema"');
});
