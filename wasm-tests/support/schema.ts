/**
 * The shapes of the package's JSON documents, written down once more, by hand.
 * It exists because types are gone at run time: a renamed or missing field must fail a test.
 * Exact: what is not listed may not be there. The compiler holds the lists to js/api/types.ts.
 */
import { expect } from 'vitest';
import {
  ACTIVATION_MODES,
  type Candidate,
  type Catalog,
  COMPARISON_VERDICTS,
  type ComparedFile,
  type ComparedTensor,
  type Comparison,
  DANGERS,
  type Decision,
  type Distribution,
  type Entry,
  FILE_FORMATS,
  type ForeignCodes,
  GROUP_SIZES,
  type KeptLayers,
  LAYER_KINDS,
  type LayerRun,
  type LeftOut,
  METHODS,
  type Mix,
  type MixPart,
  OBSERVERS,
  OPTIONS,
  type OpaquePart,
  type OutputTensor,
  type PickleGlobal,
  type Plan,
  type PlannedInput,
  type PlannedTensor,
  PROBLEM_CODES,
  type Problem,
  type Pruned,
  QUALITIES,
  type Quantization,
  REASONS,
  type Report,
  SCHEMES,
  STRATEGIES,
  type StoredCodes,
  type TensorComparison,
  type TensorInfo,
  type TensorReport,
  type UnchangedTensor,
  type ValidatedTensor,
  type Validation,
  WARNINGS,
  type Warning,
} from '#package';

type Check = (value: unknown, path: string) => void;

/** A check for each field; optional ones are wrapped. */
type Fields<Document> = { readonly [Key in keyof Document]-?: Check };

const text: Check = (value, path) => expect(typeof value, path).toBe('string');
const flag: Check = (value, path) => expect(typeof value, path).toBe('boolean');
const number: Check = (value, path) => expect(Number.isFinite(value), path).toBe(true);
const anyObject: Check = (value, path) => {
  expect(typeof value === 'object' && value !== null && !Array.isArray(value), path).toBe(true);
};
const count: Check = (value, path) => {
  expect(Number.isSafeInteger(value) && (value as number) >= 0, path).toBe(true);
};

function oneOf(values: readonly unknown[]): Check {
  return (value, path) => expect(values, path).toContain(value);
}

function list(check: Check): Check {
  return (value, path) => {
    expect(Array.isArray(value), path).toBe(true);
    for (const [index, element] of (value as unknown[]).entries()) {
      check(element, `${path}[${index}]`);
    }
  };
}

function optional(check: Check): Check {
  return (value, path) => {
    if (value !== undefined) check(value, path);
  };
}

function nullable(check: Check): Check {
  return (value, path) => {
    if (value !== null) check(value, path);
  };
}

function object<Document>(fields: Fields<Document>): Check {
  return (value, path) => {
    expect(typeof value === 'object' && value !== null, path).toBe(true);
    const unknown = Object.keys(value as object).filter((key) => !(key in fields));
    expect(unknown, `${path}: fields that nobody knows`).toEqual([]);
    for (const [key, check] of Object.entries<Check>(fields)) {
      check((value as Record<string, unknown>)[key], `${path}.${key}`);
    }
  };
}

const dtype: Check = (value, path) =>
  expect(value, path).toMatch(/^(BOOL|F4|MXFP4|NVFP4|[A-Z]{1,2}\d+(_\w+)?)$/);
const shape = list(count);

/** Every option that has a value without being chosen, with one that callers could have given. */
const configuration: Check = object(
  Object.fromEntries(
    Object.entries<Entry>(OPTIONS)
      .filter(([, entry]) => entry.resolve !== undefined || 'default' in entry)
      .map(([key, { kind }]) => [key, allowedBy(kind)]),
  ),
);

function allowedBy(kind: Entry['kind']): Check {
  return (value, path) => expect(kind.check(value, path), path).not.toBe(undefined);
}

const sizes = object<Plan['sizes']>({
  sourceBytes: count,
  tensorBytes: count,
  outputBytes: count,
  packedBytes: optional(count),
  parameters: count,
  quantizedParameters: count,
  zeroWeights: optional(count),
  bitsPerWeight: number,
});

const warnings = list(
  object<Warning>({ code: oneOf(WARNINGS), message: text, tensors: list(text), total: count }),
);

const output = object<OutputTensor>({
  name: text,
  dtype,
  shape,
  bytes: count,
  file: optional(count),
});

const input = object<PlannedInput>({
  scheme: oneOf(SCHEMES),
  observer: oneOf(OBSERVERS),
  min: number,
  max: number,
  scale: number,
  zeroPoint: number,
  samples: count,
  sqnrDb: nullable(number),
  estimates: list(
    object<PlannedInput['estimates'][number]>({
      observer: oneOf(OBSERVERS),
      min: nullable(number),
      max: nullable(number),
      meanSquaredError: nullable(number),
    }),
  ),
});

const quantization = object<Quantization>({
  bits: oneOf([2, 3, 4, 5, 6, 7, 8]),
  codes: optional(text),
  scheme: oneOf(SCHEMES),
  strategy: oneOf(STRATEGIES),
  groupSize: oneOf(GROUP_SIZES),
  blockSize: optional(list(count)),
  scaleDtype: dtype,
  method: oneOf(METHODS),
  blockType: optional(text),
});

const pruned = object<Pruned>({ zeros: count, method: oneOf(['wanda', 'magnitude']) });

const plannedTensor = object<PlannedTensor>({
  name: text,
  kind: oneOf(LAYER_KINDS),
  dtype,
  shape,
  bytes: count,
  decision: oneOf(['quantize', 'convert', 'copy', 'tie', 'drop']),
  reason: oneOf(REASONS),
  explanation: text,
  quantization: optional(quantization),
  input: optional(input),
  pruned: optional(pruned),
  folded: optional(text),
  rescaled: optional(text),
  outputs: list(output),
});

const storedCodes = object<StoredCodes>({
  bits: oneOf([1, 2, 3, 4, 5, 6, 7, 8]),
  type: oneOf(['int', 'float']),
  scheme: oneOf(SCHEMES),
  strategy: oneOf(STRATEGIES),
  groupSize: number,
  blockSize: optional(list(count)),
  scaleDtype: dtype,
  blockType: optional(text),
});

const problem = object<Problem>({ code: oneOf(PROBLEM_CODES), message: text, tensor: text });

const comparedTensor = object<ComparedTensor>({
  dtype,
  quantization: optional(storedCodes),
  shape,
  bytes: count,
});

const leftOut = object<LeftOut>({
  name: text,
  reason: text,
  tensors: count,
  bytes: count,
  lost: flag,
  supersededBy: optional(text),
});

const comparedFile = object<ComparedFile>({
  format: oneOf(FILE_FORMATS),
  bytes: count,
  tensorBytes: count,
  tensors: count,
  parameters: count,
  lost: list(leftOut),
});

const comparisonDocument = object<Comparison>({
  version: text,
  first: comparedFile,
  second: comparedFile,
  sqnrDb: nullable(number),
  compared: count,
  tensors: list(
    object<TensorComparison>({
      name: text,
      verdict: oneOf(COMPARISON_VERDICTS),
      elements: count,
      first: optional(comparedTensor),
      second: optional(comparedTensor),
      sqnrDb: nullable(number),
      maxError: nullable(number),
      differing: count,
      notFinite: count,
    }),
  ),
  warnings,
});

const validationDocument = object<Validation>({
  version: text,
  valid: flag,
  problems: list(problem),
  warnings,
  hasReference: flag,
  sqnrDb: nullable(number),
  outputSqnrDb: nullable(number),
  tensors: list(
    object<ValidatedTensor>({
      name: text,
      elements: count,
      quantization: storedCodes,
      sqnrDb: nullable(number),
      maxError: nullable(number),
      run: optional(
        object<LayerRun>({
          mode: oneOf(ACTIVATION_MODES),
          inputs: oneOf(['captured', 'statistics', 'seeded']),
          samples: count,
          sqnrDb: nullable(number),
          cosine: number,
        }),
      ),
      notRun: optional(text),
    }),
  ),
});

const mix = object<Mix>({
  budget: text,
  bytes: count,
  budgetBytes: count,
  bitsPerWeight: number,
  parts: list(object<MixPart>({ label: text, tensors: count, weights: count, bytes: count })),
  score: number,
  bound: number,
  uniform: optional(object<NonNullable<Mix['uniform']>>({ label: text, score: number })),
});

const planDocument = object<Plan>({
  configuration,
  sizes,
  files: list(count),
  mix: optional(mix),
  tensors: list(plannedTensor),
  quantizationConfig: nullable(anyObject),
  warnings,
});

const unchanged = (decision: Decision) =>
  object<UnchangedTensor>({
    name: text,
    dtype,
    shape,
    bytes: count,
    decision: oneOf([decision]),
    reason: oneOf(REASONS),
    explanation: text,
  });

const reportDocument = object<Report>({
  part: optional(object<NonNullable<Report['part']>>({ number: count, count, bytes: count })),
  resumedBytes: optional(count),
  version: text,
  configuration,
  engine: object<Report['engine']>({ kind: oneOf(['st', 'mt']), threads: count }),
  sizes,
  files: list(count),
  mix: optional(mix),
  outputConfig: object<Report['outputConfig']>({
    quantization: nullable(anyObject),
    floatType: nullable(text),
    layers: optional(object<KeptLayers>({ total: count, kept: list(count) })),
  }),
  sqnrDb: nullable(number),
  outputSqnrDb: nullable(number),
  tensors: list(
    object<TensorReport>({
      name: text,
      dtype,
      shape,
      elements: count,
      decision: oneOf(['quantize', 'convert']),
      quantization: optional(quantization),
      outputs: list(object<TensorReport['outputs'][number]>({ dtype, bytes: count })),
      sqnrDb: nullable(number),
      outputSqnrDb: optional(nullable(number)),
      quality: oneOf(QUALITIES),
      maxError: number,
      edgeScales: optional(count),
      sourceBytes: count,
      outputBytes: count,
      input: optional(input),
      pruned: optional(pruned),
      folded: optional(text),
      rescaled: optional(text),
    }),
  ),
  copied: list(unchanged('copy')),
  corrected: optional(list(unchanged('correct'))),
  tied: list(unchanged('tie')),
  dropped: list(unchanged('drop')),
  warnings,
  timings: object<Report['timings']>({
    planMs: number,
    encodeMs: number,
    verifyMs: number,
    compressMs: optional(number),
  }),
});

const catalogDocument = object<Catalog>({
  format: oneOf(FILE_FORMATS),
  files: optional(list(text)),
  bytes: count,
  packedBytes: optional(count),
  parameters: count,
  metadata: (value, path) => {
    expect(typeof value === 'object' && value !== null, path).toBe(true);
    for (const [key, entry] of Object.entries(value as object)) text(entry, `${path}.${key}`);
  },
  key: text,
  wrapperPrefix: text,
  candidates: list(object<Candidate>({ key: text, tensors: count, bytes: count })),
  leftOut: list(leftOut),
  problems: list(problem),
  foreign: list(object<ForeignCodes>({ layout: text, tensor: text, tensors: count })),
  globals: list(object<PickleGlobal>({ module: text, name: text, danger: oneOf(DANGERS) })),
  opaque: list(object<OpaquePart>({ member: text, reason: text })),
  code: list(text),
  tensors: list(
    object<TensorInfo>({
      name: text,
      kind: oneOf(LAYER_KINDS),
      dtype,
      shape,
      bytes: count,
      quantization: optional(storedCodes),
      offset: count,
      moduleType: optional(text),
      tiedTo: optional(text),
      assembled: optional(flag),
      strides: optional(list(count)),
    }),
  ),
});

const bins: Check = (value, path) => {
  list(count)(value, path);
  expect(value, path).toHaveLength(128);
};

const distributionDocument = object<Distribution>({
  tensor: text,
  elements: count,
  notFinite: count,
  weights: object<Distribution['weights']>({ low: number, high: number }),
  before: bins,
  after: bins,
  error: object<Distribution['error']>({ low: number, high: number, counts: bins }),
});

export function checkComparison(document: Comparison): Comparison {
  comparisonDocument(document, 'comparison');
  return document;
}

export function checkDistribution(document: Distribution): Distribution {
  distributionDocument(document, 'distribution');
  return document;
}

export function checkValidation(document: Validation): Validation {
  validationDocument(document, 'validation');
  return document;
}

export function parsePlan(json: string): Plan {
  return parse<Plan>(json, planDocument, 'plan');
}

export function parseReport(json: string): Report {
  return parse<Report>(json, reportDocument, 'report');
}

export function parseCatalog(json: string): Catalog {
  return parse<Catalog>(json, catalogDocument, 'catalog');
}

/** One document and nothing around it. */
function parse<Document>(json: string, check: Check, name: string): Document {
  const document: unknown = JSON.parse(json);
  check(document, name);
  return document as Document;
}
