/**
 * A plan says beforehand, to the byte, what a run will do.
 * It exists because people decide by the plan, and the run must then do nothing else.
 * Plans depend on the file and the options alone.
 */
import { expect, it } from 'vitest';
import { host } from '#host';
import type { PlanOptions } from '#package';
import { failureOf } from '../support/failures.js';
import { fixturesIn } from '../support/fixtures.js';
import { mixedModel, weights } from '../support/models.js';
import { modelOf, planFor, planOf, runOn } from '../support/runs.js';
import { elementsOf, readSafetensors } from '../support/safetensors.js';

const MODEL = mixedModel('F16');
const CHOICES: readonly PlanOptions[] = [
  {},
  { bits: 4, groupSize: 32 },
  { bits: 8, weightsOnly: true, scheme: 'asymmetric' },
  { bits: 16, floatType: 'BF16' },
  {
    bits: 4,
    overrides: [
      { pattern: 'fc', bits: 8 },
      { pattern: 'lstm', bits: 'none' },
    ],
  },
];

it('is the same whenever it is asked for', async () => {
  const model = await host.open(modelOf(MODEL));
  try {
    const first = await Promise.all(CHOICES.map((choice) => model.plan(choice)));
    const second = await Promise.all(CHOICES.toReversed().map((choice) => model.plan(choice)));
    expect(second.toReversed()).toEqual(first);
  } finally {
    await model.close();
  }
});

it('of many tensors is whole, in order, and in the form of any other', async () => {
  const many = Array.from({ length: 9000 }, (_, index) =>
    weights(`layers.${index}.some.long.name.of.a.module.weight`, 'F16', [2, 4]),
  );
  const model = await host.open(modelOf(many));
  const small = await host.open(modelOf(many.slice(0, 3)));
  try {
    const names = many.map(({ name }) => name).sort();
    expect(model.catalog.tensors.map(({ name }) => name).sort()).toEqual(names);
    expect(Object.keys(model.catalog)).toEqual(Object.keys(small.catalog));
    const plan = await model.plan();
    expect(plan.tensors.map(({ name }) => name)).toEqual(
      model.catalog.tensors.map(({ name }) => name),
    );
    // In the same form as those of small models, which come in one piece.
    expect(Object.keys(plan)).toEqual(Object.keys(await small.plan()));
    expect(plan.tensors[0]).toEqual((await small.plan()).tensors[0]);
  } finally {
    await model.close();
    await small.close();
  }
});

it('does not change what it is given', async () => {
  const options: PlanOptions = { ignore: ['fc'], overrides: [{ pattern: 'lstm', bits: 8 }] };
  const copy = structuredClone(options);
  const plan = await planFor(MODEL, options);
  expect(options).toEqual(copy);
  expect(plan.configuration).toMatchObject(copy);
});

it.each(CHOICES)('adds up, and the run obeys: %j', async (options) => {
  const { plan, report, output, file, source } = await runOn(MODEL, options);
  expect(plan.sizes.sourceBytes).toBe(modelOf(MODEL).length);
  expect(plan.sizes.outputBytes).toBe(output.length);
  expect(report.sizes).toEqual(plan.sizes);
  expect(report.configuration).toEqual(plan.configuration);

  expect(plan.tensors.map(({ name }) => name)).toEqual([...source.keys()]);
  const parameters = (tensors: typeof plan.tensors) =>
    tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
  const quantized = plan.tensors.filter(({ decision }) => decision === 'quantize');
  expect(plan.sizes.parameters).toBe(parameters(plan.tensors));
  expect(plan.sizes.quantizedParameters).toBe(parameters(quantized));

  const outputs = plan.tensors.flatMap((tensor) => tensor.outputs);
  expect(
    new Map(outputs.map(({ name, dtype, shape, bytes }) => [name, { dtype, shape, bytes }])),
  ).toEqual(
    new Map(
      [...file.tensors].map(([name, { dtype, shape, bytes }]) => [
        name,
        { dtype, shape, bytes: bytes.length },
      ]),
    ),
  );
  expect(outputs.length).toBe(file.tensors.size);
  const bytes = outputs.reduce((sum, output) => sum + output.bytes, 0);
  expect(plan.sizes.bitsPerWeight).toBeCloseTo((8 * bytes) / plan.sizes.parameters, 10);
});

it('gives every tensor a decision, a reason and a sentence', async () => {
  const { tensors } = await planFor(MODEL, { ignore: ['gru.weight_ih_l0'] });
  const reasons = Object.fromEntries(tensors.map(({ name, reason }) => [name, reason]));
  expect(reasons).toMatchObject({
    'fc.weight': 'requested',
    'fc.bias': 'bias',
    'norm.weight': 'norm',
    'embed_tokens.weight': 'embedding',
    'lm_head.weight': 'head',
    steps: 'not-float',
    'gru.weight_ih_l0': 'ignored',
  });
  for (const { decision, quantization, explanation } of tensors) {
    expect(explanation).toMatch(/\S/);
    expect(quantization !== undefined).toBe(decision === 'quantize');
  }
});

it('says that there is nothing to do where every tensor would be copied', async () => {
  const model = modelOf([weights('norm.weight', 'F32', [64]), weights('fc.bias', 'F32', [64])]);
  await failureOf(host.quantize(model), 'nothing-to-quantize');
});

it.each(fixturesIn('safetensors'))(
  'outputs of $name are laid out as the format asks',
  async ({ read }) => {
    const model = await read();
    const plan = await planOf(model, { bits: 16, minElements: 0 });
    if (plan.tensors.every(({ decision }) => decision === 'copy')) return;
    const { output } = await host.quantize(model, { bits: 16, minElements: 0 });
    const { dataStart, tensors } = readSafetensors(output);
    expect(dataStart % 8).toBe(0);
    expect(output.length).toBe(plan.sizes.outputBytes);
    for (const { offset, bytes, shape } of tensors.values()) {
      const size = bytes.length / Math.max(elementsOf(shape), 1);
      expect(size === 0 ? 0 : offset % size).toBe(0);
    }
  },
);
