/**
 * A model of many files is one model: whatever is done with it, the result is that of the one file.
 * It exists because the largest models come in parts, and a part left out would show only much later.
 * The one file is written by the tests; both ways the bytes must be the same.
 */
import { describe, expect, it } from 'vitest';
import { host } from '#host';
import type { Catalog, Tensors } from '#package';
import type { AnyModel, DataFile } from '../host/host.js';
import { expectSameBytes } from '../support/bytes.js';
import { failureOf, helpfulFailureOf } from '../support/failures.js';
import { readFixture } from '../support/fixtures.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { modelOf } from '../support/runs.js';
import { readSafetensors, type Tensor } from '../support/safetensors.js';
import { checkComparison } from '../support/schema.js';
import {
  dealt,
  indexFile,
  indexOf,
  joined,
  type Part,
  shardName,
  shardsOf,
  textFile,
} from '../support/shards.js';

const ODD: Tensor = { name: 'mask', dtype: 'U8', shape: [3], bytes: Uint8Array.from([1, 2, 3]) };
const EMPTY: Tensor = { name: 'none', dtype: 'F32', shape: [0, 4], bytes: new Uint8Array(0) };

/** Names that objects reorder or lose, data that begins at odd places, a file without tensors. */
const PARTS: readonly Part[] = [
  {
    tensors: [EMPTY, ODD, ...mixedModel('F32', 'first.')],
    metadata: { format: 'pt', origin: 'first', '7': 'seven' },
  },
  { tensors: [] },
  {
    tensors: [...mixedModel('BF16', 'second.', 40), { ...ODD, name: '12' }],
    metadata: { origin: 'second', licence: 'free', 'far.tied': '3.weight' },
  },
  {
    tensors: [weights('3.weight', 'F16', [24, 64], 9), weights('__proto__', 'F32', [16, 64], 8)],
    metadata: { '3.tied': '3.weight' },
  },
];
const FILES = shardsOf(PARTS);
const WHOLE = joined(PARTS);
/** As nobody would list them. */
const SHUFFLED = [2, 0, 3, 1].flatMap((index) => FILES[index] ?? []);

async function use<Result>(
  model: AnyModel,
  work: (model: Tensors) => Result,
): Promise<Awaited<Result>> {
  const opened = await host.load(model, { threads: 1 });
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

function catalogOf(model: AnyModel): Promise<Catalog> {
  return use(model, ({ catalog }) => catalog);
}

describe.each([
  ['by their numbers', SHUFFLED, [1, 2, 3, 4]],
  [
    'by their index',
    [...SHUFFLED, indexOf(PARTS, FILES), textFile('config.json', '{}')],
    [1, 3, 4],
  ],
])('files found %s', (_how, files, numbers) => {
  it('have all tensors in the order of their names', async () => {
    const one = await catalogOf(WHOLE);
    const { files: names, ...many } = await catalogOf(files);
    expect(names).toEqual(numbers.map((number) => shardName(number, 4)));
    const facts = ({ offset: _, ...tensor }: Catalog['tensors'][number]) => tensor;
    expect(many.tensors.map(facts)).toEqual(one.tensors.map(facts));
    expect(many.metadata).toEqual(one.metadata);
    expect(many.metadata).toMatchObject({ origin: 'first', licence: 'free', format: 'pt' });
    expect(many.parameters).toBe(one.parameters);
  });
});

it('one file has no list of files', async () => {
  expect(await catalogOf(WHOLE)).not.toHaveProperty('files');
});

it.each([
  { bits: 8 as const, threads: 1 },
  { bits: 4 as const, groupSize: 32 as const, threads: 1 },
  { bits: 16 as const, threads: 1 },
  { bits: 8 as const, threads: 3 },
])(
  'becomes what the one file becomes, to the byte: $bits bits, $threads threads',
  async (options) => {
    const one = await host.quantize(WHOLE, options);
    const many = await host.quantize(SHUFFLED, options);
    expectSameBytes(many.output, one.output, 'output');
    expect(many.report.tensors).toEqual(one.report.tensors);
  },
);

it('has the values that its files have, wherever a file begins', async () => {
  const expected = new Map(
    PARTS.flatMap(({ tensors }) => tensors).map((tensor) => [tensor.name, tensor]),
  );
  await use(SHUFFLED, async (model) => {
    for (const { name } of model.catalog.tensors) {
      const { bytes } = await model.tensor(name);
      const source = expected.get(name.endsWith('.tied') ? '3.weight' : name);
      expect(source, name).toBeDefined();
      expectSameBytes(new Uint8Array(bytes), source?.bytes ?? new Uint8Array(), name);
    }
  });
});

it('is read in as many parts as there are', async () => {
  const tensors = Array.from({ length: 40 }, (_, index) =>
    weights(`layers.${index}.weight`, 'F32', [16, 33], index + 1),
  );
  const parts = dealt(tensors, 40);
  const { output } = await host.convert(shardsOf(parts), { threads: 1 });
  const file = readSafetensors(output);
  for (const { name, bytes } of tensors) {
    expectSameBytes(file.tensors.get(name)?.bytes ?? new Uint8Array(), bytes, name);
  }
});

it('is compared, counted, converted and validated like one file', async () => {
  const comparison = checkComparison(await host.compare(WHOLE, SHUFFLED, { threads: 1 }));
  expect(comparison.tensors.every(({ verdict }) => verdict === 'identical')).toBe(true);
  const converted = await host.convert(SHUFFLED, { container: 'pt', threads: 1 });
  expectSameBytes(
    converted.output,
    (await host.convert(WHOLE, { container: 'pt', threads: 1 })).output,
    'converted',
  );
  const counts = await host.distribution(SHUFFLED, WHOLE, 'second.fc.weight', { threads: 1 });
  expect(counts).toEqual(await host.distribution(WHOLE, WHOLE, 'second.fc.weight', { threads: 1 }));
  const { validation } = await host.checkedResult(SHUFFLED, { threads: 1 });
  expect(validation).toMatchObject({ valid: true, problems: [] });
});

it('may be a quantized one whose codes and scales lie in different files', async () => {
  const model = modelOf(mixedModel('F32'));
  const { output } = await host.quantize(model, { bits: 4, groupSize: 32, threads: 1 });
  const { tensors, metadata } = readSafetensors(output);
  const parts = dealt([...tensors.values()], 3).map((part) => ({ ...part, metadata }));
  const shards = shardsOf(parts);
  const validation = await host.validate(shards, { reference: model, threads: 1 });
  expect(validation.problems).toEqual([]);
  const floats = await host.dequantize(shards, { threads: 1 });
  const one = await host.dequantize(output, { threads: 1 });
  expectSameBytes(floats.output, one.output, 'floats');
});

it('is calibrated, and quantized with what was found', async () => {
  const { output: model } = await host.convert(await readFixture('calibration/model.pt'), {
    container: 'safetensors',
    threads: 1,
  });
  const parts = dealt([...readSafetensors(model).tensors.values()], 3);
  const shards = shardsOf(parts);
  const whole = joined(parts);
  const data = { name: 'inputs.pt', bytes: await readFixture('calibration/inputs.pt') };
  await host.withData([data], async (inputs) => {
    const one = await host.calibrate(whole, inputs, { threads: 1 });
    const many = await host.calibrate(shards, inputs, { threads: 1 });
    expect(many.modules).toEqual(one.modules);
    const options = { calibration: many, threads: 1 };
    expectSameBytes(
      (await host.quantize(shards, options)).output,
      (await host.quantize(whole, options)).output,
      'output',
    );
  });
});

describe('what does not fit', () => {
  const a = weights('a.weight', 'F32', [16, 64]);
  const b = filled('b.weight', 'F32', [16, 64], (index) => index);
  const parts: readonly Part[] = [{ tensors: [a] }, { tensors: [b] }];
  const files = shardsOf(parts);
  const [first, second] = [shardName(1, 2), shardName(2, 2)];
  const withSecond = (bytes: DataFile['bytes']): DataFile[] => [
    ...files.slice(0, 1),
    { name: second, bytes },
  ];

  it('a tensor in two files is told with both', async () => {
    const twice = shardsOf([{ tensors: [a] }, { tensors: [b, a] }]);
    const error = await helpfulFailureOf(host.open(twice), 'malformed-file');
    for (const word of ['a.weight', first, second]) expect(error.message).toContain(word);
    expect(error.tensor).toBe('a.weight');
  });

  it('of a tensor in two files the one counts that the index points to, with a warning', async () => {
    const other = filled('a.weight', 'F32', [16, 64], (index) => 1 - index / 512);
    const overlay = [{ tensors: [a, b] }, { tensors: [ODD, other] }];
    const shards = shardsOf(overlay);
    for (const [chosen, tensor, left] of [
      [second, other, first],
      [first, a, second],
    ] as const) {
      const map = { 'a.weight': chosen, 'b.weight': first, mask: second };
      const model = [...shards, indexFile(map)];
      const one = joined([{ tensors: [tensor, b] }, { tensors: [ODD] }]);
      const { output, report } = await host.quantize(model, { bits: 8, threads: 2 });
      const expected = await host.quantize(one, { bits: 8, threads: 1 });
      const values = (bytes: typeof output) => readSafetensors(bytes).tensors;
      expect(values(output)).toEqual(values(expected.output));
      const warning = report.warnings.find(({ code }) => code === 'left-out');
      expect(warning).toMatchObject({ tensors: ['a.weight'], total: 1 });
      expect(warning?.message).toContain(`is read from "${chosen}"`);
      const opened = await host.open(model, { threads: 1 });
      expect(opened.catalog.leftOut).toMatchObject([
        { name: 'a.weight', lost: false, supersededBy: chosen, bytes: a.bytes.length },
      ]);
      expect(opened.catalog.leftOut[0]?.reason).toContain(left);
      expect((await opened.plan({})).warnings.map(({ code }) => code)).toContain('left-out');
      await opened.close();
      const comparison = await host.compare(one, model, { threads: 1 });
      expect(comparison.tensors.every(({ verdict }) => verdict === 'identical')).toBe(true);
      expect(comparison.warnings.map(({ code }) => code)).toEqual(['left-out']);
      const validation = await host.validate(model, { threads: 1 });
      expect(validation.warnings.map(({ code }) => code)).toEqual(['left-out']);
      expect(validation.problems.map(({ code }) => code)).toEqual(['not-quantized']);
    }
    // An index that lacks the name is no help.
    const unlisted = indexFile({ mask: second, 'b.weight': first });
    await failureOf(host.open([...shards, unlisted]), 'malformed-file');
  });

  it('a broken file is told by name', async () => {
    const cut = withSecond(files[1]?.bytes.slice(0, -1) ?? new Uint8Array());
    const error = await helpfulFailureOf(host.open(cut), 'file-truncated');
    expect(error.message).toContain(second);
    const validation = await host.validate(cut, { threads: 1 });
    expect(validation.problems).toMatchObject([{ code: 'unreadable' }]);
    expect(validation.problems[0]?.message).toContain(second);
    expect((await failureOf(host.quantize(cut))).message).toBe(error.message);
    expect(await host.leftovers()).toEqual([]);
  });

  it('a file of another kind is told by name', async () => {
    const { output } = await host.convert(modelOf([b]), { container: 'pt', threads: 1 });
    const error = await helpfulFailureOf(host.open(withSecond(output)), 'unsupported-format');
    expect(error.message).toContain(second);
  });

  it('an index that is wrong about a tensor is told with the tensor', async () => {
    const swapped = indexOf(parts, [...files].reverse());
    const error = await helpfulFailureOf(host.open([...files, swapped]), 'malformed-file');
    for (const word of ['a.weight', first, second]) expect(error.message).toContain(word);
    const unknown = indexOf([...parts, { tensors: [{ ...a, name: 'c' }] }], [...files, ...files]);
    const missing = await helpfulFailureOf(host.open([...files, unknown]), 'malformed-file');
    expect(missing).toMatchObject({ tensor: 'c' });
  });

  it('an index and files that contradict each other are problems of a validation, all of them', async () => {
    const { output } = await host.quantize(modelOf([a, b]), { bits: 8, threads: 1 });
    const tensors = [...readSafetensors(output).tensors.values()];
    const { metadata } = readSafetensors(output);
    const model = shardsOf([{ tensors, metadata }]);
    const problemsWith = async (listed: readonly string[]) => {
      const map = Object.fromEntries(listed.map((name) => [name, model[0]?.name]));
      const { valid, problems } = await host.validate([...model, indexFile(map)], { threads: 1 });
      expect(valid).toBe(problems.length === 0);
      return problems.map(({ code, tensor }) => [code, tensor]);
    };
    const names = tensors.map(({ name }) => name);
    expect(await problemsWith(names)).toEqual([]);
    const [first = '', second = '', ...others] = names;
    expect(await problemsWith(['gone', 'lost', ...others])).toEqual(
      ['gone', 'lost', first, second].map((name) => ['index-mismatch', name]),
    );
    // A loader reads it all the same: only a validation minds.
    const map = Object.fromEntries(others.map((name) => [name, model[0]?.name]));
    const opened = await host.open([...model, indexFile(map)], { threads: 1 });
    expect(opened.catalog.tensors).not.toHaveLength(0);
    await opened.close();
  });
});
