/**
 * The runs whose outputs must be the same bytes from every engine.
 * They exist once so that Node, browsers and the native program are given the same work.
 * Between them: every kernel, several bands, long rows, rows that units and words do not divide, a second attempt.
 */
import type { PlanOptions } from '#package';
import type { Bytes } from '../host/host.js';
import { filled, mixedModel, weights } from '../support/models.js';
import { Random } from '../support/random.js';
import { type Tensor, writeSafetensors } from '../support/safetensors.js';

/** Reads a file of the checkout, by its address from the root. */
export type Read = (address: string) => Promise<Bytes>;

export interface ParityCase {
  readonly name: string;
  readonly model: (read: Read) => Bytes | Promise<Bytes>;
  readonly options: PlanOptions;
}

const MIXED: readonly PlanOptions[] = [
  { bits: 8 },
  { bits: 8, strategy: 'tensor', scheme: 'asymmetric' },
  { bits: 8, weightsOnly: true, groupSize: 32, scheme: 'asymmetric' },
  { bits: 4, groupSize: 32, method: 'rtn' },
  { bits: 4, groupSize: 32, method: 'mse' },
  { bits: 8, method: 'mse' },
  { bits: 4, strategy: 'channel', scheme: 'asymmetric' },
  { bits: 16 },
  { bits: 16, floatType: 'BF16' },
];

/** Fixtures are small: nothing is too small to be quantized. */
const FIXTURE_OPTIONS: readonly PlanOptions[] = [
  // By name: their matrices are so small that codes would not shrink them.
  { bits: 8, overrides: [{ pattern: 're:.*', bits: 8 }], minElements: 0 },
  {
    bits: 4,
    groupSize: 32,
    scheme: 'asymmetric',
    method: 'mse',
    overrides: [{ pattern: 're:.*', bits: 4, groupSize: 32 }],
    minElements: 0,
  },
  { bits: 16 },
];

export const CASES: readonly ParityCase[] = [
  ...cases('mixed', MIXED, () => [
    ...(['F32', 'F16', 'BF16', 'F64'] as const).flatMap((dtype) => mixedModel(dtype, `${dtype}.`)),
    weights('long_rows.weight', 'F32', [3, 70001], 1),
    weights('longer_rows.weight', 'BF16', [2, 131072], 2),
    weights('odd.weight', 'F16', [601, 129], 3),
    weights('narrow.weight', 'F32', [4097, 3], 4),
    weights('mlp.experts.odd', 'F16', [5, 11, 96], 5),
  ]),
  // More than one band, the last one short.
  ...cases(
    'large',
    [
      { bits: 8, strategy: 'tensor' },
      { bits: 4, scheme: 'asymmetric', method: 'mse' },
    ],
    () => [coarse('a.weight', [1100, 4096], 1), coarse('b.weight', [9, 4096], 2)],
  ),
  // Found only while encoding, so that everything is planned and encoded again.
  ...cases('unfit', [{ bits: 8 }, { bits: 16 }], () => [
    ...mixedModel('F32'),
    filled('nan.weight', 'F32', [70, 300], (index) => (index === 20000 ? Number.NaN : index)),
    filled('beyond.weight', 'F64', [16, 64], (index) => (index === 5 ? 1e300 : index)),
  ]),
];

/** Every fixture that loads, in every kind of codes: `npm run test:deep -- matrix`. */
export const MATRIX: readonly ParityCase[] = [
  ...CASES,
  ...loadedFixtures().flatMap((path) => {
    const model = (read: Read) => read(`/wasm-tests/fixtures/${path}`);
    return FIXTURE_OPTIONS.map((options) => ({
      name: `${path} ${JSON.stringify(options)}`,
      model,
      options,
    }));
  }),
];

/** In fixtures/. */
function loadedFixtures(): string[] {
  type Expected = Readonly<Record<string, { readonly expect: string }>>;
  const torch = import.meta.glob<Expected>('../fixtures/torch/expectations.json', {
    import: 'default',
    eager: true,
  });
  const others = Object.keys(import.meta.glob('../fixtures/safetensors/*.json'));
  return [
    ...others.map((path) => path.replace('../fixtures/', '').replace(/\.json$/, '')),
    ...Object.values(torch)
      .flatMap((file) => Object.entries(file))
      .filter(([, entry]) => entry.expect === 'load')
      .map(([path]) => `torch/${path}`),
  ];
}

function cases(
  name: string,
  ways: readonly PlanOptions[],
  tensors: () => readonly Tensor[],
): ParityCase[] {
  let made: Bytes | undefined;
  const model = () => {
    made ??= writeSafetensors(tensors(), { format: 'pt' });
    return made;
  };
  return ways.map((options) => ({ name: `${name} ${JSON.stringify(options)}`, model, options }));
}

/** Weights of only a few thousand different values: quick to make. */
function coarse(name: string, shape: readonly number[], seed: number): Tensor {
  const random = new Random(seed);
  return filled(name, 'F32', shape, () => (random.below(4000) - 2000) / 1000);
}
