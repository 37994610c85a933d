/**
 * Any tensors in any number of files are the one file that has them all; any index is followed or refused in words.
 * It exists because names, notes and places meet in more ways than anybody lists: here they are made up.
 * Every model follows from its seed, which the test is named by.
 */
import { expect, it } from 'vitest';
import { host } from '#host';
import type { Catalog } from '#package';
import type { AnyModel, DataFile } from '../host/host.js';
import { expectSameBytes } from '../support/bytes.js';
import { failureOf } from '../support/failures.js';
import { Random } from '../support/random.js';
import { elementBytes, elementsOf, type Tensor } from '../support/safetensors.js';
import {
  indexFile,
  indexOf,
  joined,
  type Part,
  shardName,
  shardsOf,
  textFile,
} from '../support/shards.js';

const CASES = 60;
const DTYPES = ['F32', 'BF16', 'F16', 'I64', 'U8', 'BOOL', 'F64', 'C64'] as const;
/** Few, so that names of tensors, keys and notes meet; with those that objects reorder or lose. */
const NAMES = [
  'a.weight',
  'b.weight',
  'a.weight_scale',
  'pt',
  'format',
  '7',
  '12',
  '__proto__',
  'constructor',
  'toString',
  '',
  'é"\\\n\u0000\u2028',
  '𝔘.weight',
  'length',
];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

function tensorOf(random: Random, name: string): Tensor {
  const dtype = pick(random, DTYPES);
  const shape = Array.from({ length: random.below(4) }, () => random.below(5));
  const bytes = Uint8Array.from({ length: elementsOf(shape) * elementBytes(dtype) }, () =>
    random.below(256),
  );
  return { name, dtype, shape, bytes };
}

/** Every tensor in one part; notes of ties where they may be, and where they mean nothing. */
function partsOf(random: Random): Part[] {
  const names = NAMES.filter(() => random.below(2) === 0);
  const parts = Array.from({ length: 1 + random.below(5) }, () => ({
    tensors: [] as Tensor[],
    metadata: new Map<string, string>(),
  }));
  for (const name of names) pick(random, parts).tensors.push(tensorOf(random, name));
  for (let notes = random.below(8); notes > 0; notes--) {
    const value = random.below(2) === 0 ? pick(random, NAMES) : 'value';
    const key = pick(random, NAMES);
    pick(random, parts).metadata.set(key, value);
  }
  return parts;
}

async function catalogOf(model: AnyModel): Promise<Catalog> {
  const opened = await host.load(model, { threads: 1 });
  try {
    return opened.catalog;
  } finally {
    await opened.close();
  }
}

/** What a catalog says, but for places and names of files, which differ. */
function factsOf({ tensors, metadata, parameters }: Catalog) {
  return { tensors: tensors.map(({ offset: _, ...tensor }) => tensor), metadata, parameters };
}

it.each(Array.from({ length: CASES }, (_, seed) => seed))('model %i', async (seed) => {
  const random = new Random(seed);
  const parts = partsOf(random);
  const files = shardsOf(parts);
  const withIndex = random.below(2) === 0 && parts.every(({ tensors }) => tensors.length > 0);
  const many = withIndex ? [indexOf(parts, files), ...files.reverse()] : files;
  const one = joined(parts);
  expect(factsOf(await catalogOf(many))).toEqual(factsOf(await catalogOf(one)));
  const options = { container: 'pt', threads: 1 } as const;
  expectSameBytes(
    (await host.convert(many, options)).output,
    (await host.convert(one, options)).output,
    'as one PyTorch file',
  );
});

/** An index that is right, or nearly, or nothing of the kind. */
function anyIndex(random: Random, parts: readonly Part[], files: readonly DataFile[]): DataFile {
  const file = () =>
    pick(random, [shardName(1, 2), shardName(2, 2), shardName(3, 2), '../a.safetensors', 7, null]);
  const entries = NAMES.filter(() => random.below(3) === 0).map((name) => [name, file()]);
  const texts = [
    '',
    '[]',
    'null',
    '{"weight_map":[]}',
    '{"weight_map":{}}',
    '{"weight_map":{"a.weight":"a.safetensors"}',
    '\ufeff{}',
  ];
  switch (random.below(4)) {
    case 0:
      return indexOf(parts, files);
    case 1:
      return { ...textFile('', pick(random, texts)), name: indexFile({}).name };
    case 2: {
      const right = new TextDecoder().decode(indexOf(parts, files).bytes);
      const cut = random.below(right.length);
      return textFile(indexFile({}).name, right.slice(0, cut) + right.slice(cut + 1));
    }
    default:
      return indexFile(Object.fromEntries(entries));
  }
}

it.each(Array.from({ length: CASES }, (_, seed) => seed))('index %i', async (seed) => {
  const random = new Random(1000 + seed);
  const parts: Part[] = [
    { tensors: [tensorOf(random, 'a.weight'), tensorOf(random, '7')] },
    { tensors: [tensorOf(random, 'b.weight')] },
  ];
  const files = shardsOf(parts);
  const call = catalogOf([anyIndex(random, parts, files), ...files]);
  const opened = await call.catch(() => undefined);
  // Followed, or refused by an error that says why.
  if (opened === undefined) await failureOf(call);
  else expect(factsOf(opened).parameters).toBe(factsOf(await catalogOf(joined(parts))).parameters);
});
