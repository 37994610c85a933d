/**
 * From what the engine has found in a quantized file to a verdict.
 * What the file's metadata show, the engine has already told as problems.
 */
import { pickleWarnings } from '../api/file-warnings.js';
import { leftOutWarnings } from '../api/left-out.js';
import type {
  Catalog,
  Problem,
  ProblemCode,
  StoredCodes,
  TensorInfo,
  ValidatedTensor,
  Validation,
} from '../api/types.js';
import type { CompareResult, TrialResult } from '../engine/wasm.js';
import { haveSameShape } from './comparison.js';
import { correctedBiases } from './corrected-biases.js';
import { dataWarnings } from './data-warnings.js';
import { layerRuns, runProblems } from './layer-runs.js';
import { isRescaled, rescaledWarnings } from './rescaled.js';
import { type Judged, meanSqnr, shortfalls, sqnrOf, worstFirst } from './sqnr.js';

type Measured = CompareResult['tensors'][number];
type Quantized = TensorInfo & { readonly quantization: StoredCodes };

/** What is known of a file. */
export interface Evidence {
  readonly version: string;
  readonly file: Catalog;
  readonly reference: Catalog | undefined;
  readonly problems: readonly Problem[];
  readonly measured: CompareResult;
  /** Undefined if nothing was executed. */
  readonly trial: TrialResult | undefined;
  readonly failUnder: number | undefined;
}

/** Says in its metadata that its codes are the nearest ones. */
const NEAREST = 'monoquant';
const MADE_BY = 'quantized_by';

export function validationOf(evidence: Evidence): Validation {
  const { version, file, reference, measured } = evidence;
  const byName = new Map(measured.tensors.map((tensor) => [tensor.name, tensor]));
  const quantized = file.tensors.filter(isQuantized);
  const runs = layerRuns(evidence.trial);
  const tensors = quantized.map((tensor) =>
    validated(tensor, byName.get(tensor.name), runs.get(tensor.name)),
  );
  tensors.sort(worstFirst);
  const sqnrDb = meanSqnr(tensors);
  const ofCodes = quantized.flatMap((tensor) => codeProblems(tensor, byName.get(tensor.name)));
  const problems = [
    ...evidence.problems,
    ...lostProblems(file),
    ...(quantized.length === 0 && evidence.problems.length === 0 ? [NOTHING] : []),
    ...ofCodes,
    ...(reference === undefined ? [] : referenceProblems(file, reference, byName)),
    ...runProblems(evidence.trial, ofCodes),
    ...qualityProblems(evidence, byName),
  ];
  return {
    version,
    valid: problems.length === 0,
    problems,
    warnings: [
      ...pickleWarnings(file),
      ...(reference === undefined ? [] : pickleWarnings(reference, 'of the reference')),
      ...rescaledWarnings(reference, file),
      ...leftOutWarnings(evidence.file.leftOut.filter(({ lost }) => !lost)), // others are problems
      ...(evidence.trial === undefined ? [] : dataWarnings([evidence.trial.problems])),
    ],
    hasReference: reference !== undefined,
    sqnrDb,
    outputSqnrDb: meanSqnr(
      tensors.map(({ elements, run }) => ({ elements, sqnrDb: run?.sqnrDb ?? null })),
    ),
    tensors,
  };
}

/** Of a file that cannot even be opened. */
export function unreadable(version: string, message: string, tensor = ''): Validation {
  return {
    version,
    valid: false,
    problems: [{ code: 'unreadable', message, tensor }],
    warnings: [],
    hasReference: false,
    sqnrDb: null,
    outputSqnrDb: null,
    tensors: [],
  };
}

/** Tensors that nobody can load from here are none that were checked. */
function lostProblems({ leftOut }: Catalog): Problem[] {
  return leftOut
    .filter(({ lost }) => lost)
    .map(({ name, reason }): Problem => {
      const message = `Expected tensors that can be read, found that ${name} is ${reason}.`;
      return { code: 'unreadable', message, tensor: name };
    });
}

const NOTHING: Problem = {
  code: 'not-quantized',
  message: 'Expected tensors stored as codes with scales, found none.',
  tensor: '',
};

function isQuantized(tensor: TensorInfo): tensor is Quantized {
  return tensor.quantization !== undefined;
}

function validated(
  { name, shape, quantization }: Quantized,
  found?: Measured,
  executed: Pick<ValidatedTensor, 'run' | 'notRun'> = {},
): ValidatedTensor {
  return {
    name,
    elements: shape.reduce((product, extent) => product * extent, 1),
    quantization,
    sqnrDb: found?.compared ? sqnrOf(found) : null,
    maxError: found?.peak ?? null,
    ...executed,
  };
}

function codeProblems({ name, quantization }: Quantized, found?: Measured): Problem[] {
  const { bits, scheme } = quantization;
  const problem = (code: ProblemCode, count: number, message: string): Problem[] =>
    count === 0 ? [] : [{ code, message, tensor: name }];
  const { badScales = 0, negativeScales = 0, badZeroPoints = 0, badCodes = 0 } = found?.codes ?? {};
  // Only the search of symmetric codes of few bits chooses signs.
  const negative = bits < 8 && scheme === 'symmetric' ? 0 : negativeScales;
  return [
    ...problem(
      'bad-scale',
      badScales,
      `Expected finite scales other than 0 in ${name}, found ${badScales} that are not.`,
    ),
    ...problem(
      'negative-scale',
      negative,
      `Expected positive scales in ${name}, found ${negative} negative ones.`,
    ),
    ...problem(
      'bad-zero-point',
      badZeroPoints,
      `Expected zero points among the ${bits}-bit codes in ${name}, found ${badZeroPoints} outside.`,
    ),
    ...problem(
      'bad-code',
      badCodes,
      `Expected codes of ${bits} bits in ${name}, and zeros behind the last one of each row, found ${badCodes} others.`,
    ),
  ];
}

function referenceProblems(
  file: Catalog,
  reference: Catalog,
  measured: ReadonlyMap<string, Measured>,
): Problem[] {
  const found = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  const expected = new Set(reference.tensors.map(({ name }) => name));
  const isNearest = file.metadata[MADE_BY] === NEAREST;
  const isCorrected = correctedBiases(file);
  const isOther = isRescaled(file) !== isRescaled(reference); // each of its tensors may be
  const missing = reference.tensors.flatMap((tensor): Problem[] => {
    const other = found.get(tensor.name);
    if (other === undefined) {
      const message = `Expected ${tensor.name} of the reference, found no such tensor.`;
      return [{ code: 'missing-tensor', message, tensor: tensor.name }];
    }
    if (!haveSameShape(tensor, other)) {
      const message = `Expected ${tensor.name} to have the shape [${tensor.shape.join(', ')}] of the reference, found [${other.shape.join(', ')}].`;
      return [{ code: 'reference-mismatch', message, tensor: tensor.name }];
    }
    const isExpected = { isNearest, isCorrected: isOther || isCorrected(tensor.name) };
    return valueProblems(tensor, other, measured.get(tensor.name), isExpected);
  });
  const extra = file.tensors
    .filter(({ name }) => !expected.has(name))
    .map(
      ({ name }): Problem => ({
        code: 'extra-tensor',
        message: `Expected only tensors of the reference, found ${name}.`,
        tensor: name,
      }),
    );
  return [...missing, ...extra];
}

function valueProblems(
  expected: TensorInfo,
  tensor: TensorInfo,
  found: Measured | undefined,
  { isNearest, isCorrected }: { readonly isNearest: boolean; readonly isCorrected: boolean },
): Problem[] {
  const { name } = tensor;
  const { different = 0, notFinite = 0, codes } = found ?? {};
  const wasCopied = tensor.quantization === undefined && tensor.dtype === expected.dtype;
  if (wasCopied && different > 0 && !isCorrected) {
    const message = `Expected ${name} as it is in the reference, found ${different} other elements.`;
    return [{ code: 'changed-tensor', message, tensor: name }];
  }
  if (tensor.quantization === undefined && notFinite > 0) {
    const message = `Expected ${name} to be NaN or infinite where it is in the reference and nowhere else, found ${notFinite} elements that are not alike.`;
    return [{ code: 'changed-tensor', message, tensor: name }];
  }
  const wrong = (codes?.misrounded ?? 0) + (codes === undefined ? 0 : notFinite);
  if (wrong > 0 && isNearest) {
    const message = `Expected the codes of ${name} to be the nearest to the reference's values, found ${wrong} others: codes or scales were changed, or it is another model.`;
    return [{ code: 'wrong-code', message, tensor: name }];
  }
  return [];
}

/** Of each tensor that the reference has, too; where there is none, of that. */
function qualityProblems(
  { file, reference, failUnder }: Evidence,
  measured: ReadonlyMap<string, Measured>,
): Problem[] {
  const expected = new Map(reference?.tensors.map((tensor) => [tensor.name, tensor]));
  const isCorrected = correctedBiases(file);
  const judged = file.tensors.flatMap((tensor): Judged[] => {
    if (isCorrected(tensor.name)) return []; // made to differ
    const other = expected.get(tensor.name);
    // Tensors of one file only, and other shapes, are problems without any gate.
    if (other === undefined || !haveSameShape(tensor, other) || tensor.shape.includes(0)) return [];
    const found = measured.get(tensor.name);
    const unmeasured = found?.compared
      ? undefined
      : `is ${other.dtype} in the reference and ${tensor.dtype} here`;
    return [{ name: tensor.name, sqnrDb: sqnrOf(found ?? {}), unmeasured }];
  });
  return shortfalls(judged.sort(worstFirst), failUnder).map(({ words, tensor }) => {
    return { code: 'low-quality', message: `${words}.`, tensor };
  });
}
