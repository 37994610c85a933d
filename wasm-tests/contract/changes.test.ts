/**
 * Choices that are changed one after the other, as flags change a file and clicks a form: what is possible leads to
 * choices that the package accepts, and what is not possible leads to none.
 * A form that is made from the table can then never get into a corner.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { host } from '#host';
import {
  type Changes,
  type Choices,
  type Entry,
  isPossible,
  OPTIONS,
  type PlanOptions,
  withChanges,
} from '#package';
import type { PlannedModel } from '../host/host.js';
import { weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { modelOf } from '../support/runs.js';

let model: PlannedModel;
beforeAll(async () => {
  model = await host.open(modelOf([weights('fc.weight', 'F32', [16, 256])]));
});
afterAll(() => model.close());

/** Of the options that are about all tensors of any model. */
const NAMES = Object.keys(OPTIONS).filter(
  (name) =>
    !['key', 'stripPrefix', 'calibration', 'ignore', 'overrides', 'budget', 'prior'].includes(name),
);

function anyChange(random: Random): Changes {
  const oneOf = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
  const name = oneOf(NAMES);
  const [, entry] = Object.entries<Entry>(OPTIONS).find(([key]) => key === name) ?? [];
  const form = entry?.kind.form ?? { kind: 'object' };
  const values = {
    switch: () => oneOf([true, false]),
    choice: () => oneOf('choices' in form ? form.choices : []),
    choices: () => ['linear'],
    number: () => ('most' in form ? form.most : 17),
  } as Readonly<Record<string, () => unknown>>;
  return { [name]: random.below(5) === 0 ? undefined : values[form.kind]?.() };
}

it('any possible change of choices that work gives choices that work', async () => {
  const random = new Random(8);
  const accepts = (choices: Choices) =>
    model.plan(choices as PlanOptions).then(
      () => true,
      () => false,
    );
  let choices: Choices = { bits: 8 };
  let givenUp = 0;
  let refused = 0;
  for (let round = 0; round < 1000; round++) {
    const change = anyChange(random);
    const next = withChanges(choices, change);
    const isFine = isPossible(choices, change);
    expect(await accepts(next), `${JSON.stringify(choices)}, ${JSON.stringify(change)}`).toBe(
      isFine,
    );
    const told = { ...choices, ...change };
    if (isFine && Object.keys(told).some((key) => !(key in next) && !(key in change))) givenUp++;
    if (isFine) choices = round % 40 === 0 ? {} : next;
    else refused++;
  }
  // Both have come by, or this says little.
  expect(givenUp).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
});

describe('what gives way', () => {
  const cases: readonly (readonly [before: Choices, changes: Changes, after: Choices])[] = [
    [
      { bits: 4, groupSize: 64, scheme: 'asymmetric', method: 'rtn' },
      { bits: 8 },
      { bits: 8, scheme: 'asymmetric' },
    ],
    [{ bits: 4, groupSize: 64, scheme: 'asymmetric' }, { bits: 16 }, { bits: 16 }],
    [{ mode: 'weights-only', groupSize: 64 }, { mode: undefined }, {}],
    [{ mode: 'weights-only', groupSize: 64 }, { dynamic: true }, { dynamic: true }],
    [{ strategy: 'channel' }, { groupSize: 64 }, { groupSize: 64 }],
    [{ bits: 16, floatType: 'BF16' }, { bits: 8 }, { bits: 8 }],
    [
      { calibration: ['a.pt'], observer: 'percentile', percentile: 99 },
      { observer: 'minmax' },
      { calibration: ['a.pt'], observer: 'minmax' },
    ],
    [{ calibration: ['a.pt'], mode: 'static', observer: 'minmax' }, { calibration: undefined }, {}],
    // What a person wrote for some tensors is never taken back: it is refused, with its pattern.
    [
      { overrides: [{ pattern: 'fc', method: 'mse' }] },
      { bits: 16 },
      { overrides: [{ pattern: 'fc', method: 'mse' }], bits: 16 },
    ],
  ];

  it.each(cases)('%j, %j', (before, changes, after) => {
    expect(withChanges(before, changes)).toEqual(after);
  });
});
