/**
 * From what the engine has measured of two files to the document of `compare`.
 * The first file is the measure: SQNR is that of the second against it.
 */

import { fileWarnings } from '../api/file-warnings.js';
import type {
  Catalog,
  ComparedFile,
  ComparedTensor,
  Comparison,
  ComparisonVerdict,
  TensorComparison,
  TensorInfo,
} from '../api/types.js';
import type { CompareResult } from '../engine/wasm.js';
import { correctedBiases } from './corrected-biases.js';
import { rescaledWarnings } from './rescaled.js';
import { type Judged, meanSqnr, sqnrOf, worstFirst } from './sqnr.js';

type Measured = CompareResult['tensors'][number];

export function comparisonOf(
  version: string,
  first: Catalog,
  second: Catalog,
  { tensors: measured }: CompareResult,
): Comparison {
  const byName = new Map(measured.map((tensor) => [tensor.name, tensor]));
  const [ofFirst, ofSecond] = [correctedBiases(first), correctedBiases(second)];
  const isCorrected = (name: string) => ofFirst(name) || ofSecond(name);
  const others = new Map(second.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors = first.tensors.map((tensor) =>
    withCorrections(
      compareTensor(tensor, others.get(tensor.name), byName.get(tensor.name)),
      isCorrected,
    ),
  );
  const names = new Set(first.tensors.map(({ name }) => name));
  for (const tensor of second.tensors) {
    if (!names.has(tensor.name)) tensors.push(compareTensor(undefined, tensor, undefined));
  }
  const order = (tensor: TensorComparison) => VERDICT_ORDER.indexOf(tensor.verdict);
  tensors.sort((a, b) => order(a) - order(b) || worstFirst(a, b));
  return {
    version,
    first: fileOf(first),
    second: fileOf(second),
    sqnrDb: meanSqnr(tensors),
    compared: tensors.filter(wasCompared).length,
    tensors,
    warnings: [
      ...fileWarnings(first, 'of the first file'),
      ...fileWarnings(second, 'of the second file'),
      ...rescaledWarnings(first, second),
    ],
  };
}

/** All that a gate has to look at: also what cannot be compared, and what could not even be read. */
export function judged({ first, second, tensors }: Comparison): readonly Judged[] {
  const unread = (where: string, { lost }: ComparedFile) =>
    lost.map(({ name, reason }): Judged => {
      return { name, sqnrDb: null, unmeasured: `of the ${where} file cannot be read: ${reason}` };
    });
  return [
    ...unread('first', first),
    ...unread('second', second),
    ...tensors.map((tensor) => ({ ...tensor, unmeasured: unmeasured(tensor) })),
  ];
}

function unmeasured(tensor: TensorComparison): string | undefined {
  const { verdict, first, second, sqnrDb, differing, notFinite } = tensor;
  switch (verdict) {
    case 'only-first':
      return 'is only in the first file';
    case 'only-second':
      return 'is only in the second file';
    case 'other-shape':
      return `is [${first?.shape.join(', ')}] in the first file and [${second?.shape.join(', ')}] in the second`;
    case 'corrected':
      return undefined;
    case 'other-dtype':
      return `is ${first?.dtype} in the first file and ${second?.dtype} in the second`;
    default:
      if (notFinite > 0)
        return `is NaN or infinite in one file only, in ${notFinite} of its elements`;
      return differing > 0 && sqnrDb === null
        ? `has ${differing} other elements, which are no floats`
        : undefined;
  }
}

function wasCompared({ verdict }: TensorComparison): boolean {
  return verdict === 'identical' || verdict === 'different' || verdict === 'corrected';
}

/** A bias that was made to differ has lost nothing, and no SQNR. */
function withCorrections(
  tensor: TensorComparison,
  isCorrected: (name: string) => boolean,
): TensorComparison {
  const { verdict, notFinite, name } = tensor;
  if (verdict !== 'different' || notFinite > 0 || !isCorrected(name)) return tensor;
  return { ...tensor, verdict: 'corrected', sqnrDb: null };
}

const VERDICT_ORDER: readonly ComparisonVerdict[] = [
  'only-first',
  'only-second',
  'other-shape',
  'other-dtype',
  'different',
  'corrected',
  'identical',
];

function compareTensor(
  first: TensorInfo | undefined,
  second: TensorInfo | undefined,
  measured: Measured | undefined,
): TensorComparison {
  const verdict = verdictOf(first, second, measured);
  const isCompared = verdict === 'identical' || verdict === 'different';
  const shape = (first ?? second)?.shape ?? [];
  return {
    name: (first ?? second)?.name ?? '',
    verdict,
    elements: shape.reduce((product, extent) => product * extent, 1),
    ...(first === undefined ? {} : { first: describe(first) }),
    ...(second === undefined ? {} : { second: describe(second) }),
    sqnrDb: measured === undefined || !isCompared ? null : sqnrOf(measured),
    maxError: isCompared && measured?.peak !== undefined ? measured.peak : null,
    differing: measured?.different ?? 0,
    notFinite: measured?.notFinite ?? 0,
  };
}

function verdictOf(
  first: TensorInfo | undefined,
  second: TensorInfo | undefined,
  measured: Measured | undefined,
): ComparisonVerdict {
  if (first === undefined) return 'only-second';
  if (second === undefined) return 'only-first';
  if (!haveSameShape(first, second)) return 'other-shape';
  if (first.shape.includes(0) && first.dtype === second.dtype) return 'identical';
  if (measured === undefined || !measured.compared) return 'other-dtype';
  return measured.different === 0 ? 'identical' : 'different';
}

export function haveSameShape(a: TensorInfo, b: TensorInfo): boolean {
  return a.shape.length === b.shape.length && a.shape.every((extent, i) => extent === b.shape[i]);
}

function describe({ dtype, quantization, shape, bytes }: TensorInfo): ComparedTensor {
  return { dtype, ...(quantization === undefined ? {} : { quantization }), shape, bytes };
}

function fileOf({ format, bytes, tensors, parameters, leftOut }: Catalog): ComparedFile {
  const lost = leftOut.filter((part) => part.lost);
  const own = tensors.filter(({ tiedTo }) => tiedTo === undefined);
  const tensorBytes = own.reduce((sum, tensor) => sum + tensor.bytes, 0);
  return { format, bytes, tensorBytes, tensors: tensors.length, parameters, lost };
}
