/**
 * What the engine has to know to fold BatchNorm layers: which they are, and their numbers, which are few.
 * It exists because plans are made of metadata alone, and what a folded layer becomes follows from these numbers.
 */
import { type BatchNormPair, findBatchNorms } from '../api/batch-norms.js';
import type { Catalog } from '../api/catalog.js';
import { MonoquantError } from '../api/errors.js';
import { tensorData } from '../api/tensor-data.js';
import { type Warning, warningOf } from '../api/warning.js';
import type { Fold } from '../engine/engine-options.js';

export interface Folding {
  readonly folds: readonly Fold[];
  readonly warnings: readonly Warning[];
}

/** torch.nn's own. */
const USUAL_EPSILON = 1e-5;
/** Libraries that set another one in all their layers, by the beginnings of their classes' modules. */
const EPSILONS: readonly (readonly [library: string, epsilon: number])[] = [
  ['ultralytics.', 1e-3],
  ['facenet_pytorch.', 1e-3],
];
/** From here on no usual epsilon changes an output by more than a thousandth. */
const ENOUGH_VARIANCE = 0.5;

/** `read`: the elements of a tensor. */
export async function foldingOf(
  catalog: Catalog,
  given: number | null,
  read: (index: number) => Promise<Uint8Array>,
): Promise<Folding> {
  const { pairs, left } = findBatchNorms(catalog);
  const valuesOf = async (index: number | undefined): Promise<readonly number[]> => {
    const tensor = index === undefined ? undefined : catalog.tensors[index];
    if (index === undefined || tensor === undefined) return [];
    const { name, dtype, shape } = tensor;
    const values = tensorData(name, dtype, shape, await read(index)).toTypedArray();
    return Array.from(values as Float32Array);
  };
  const known = given ?? knownEpsilon(catalog);
  const folds: Fold[] = [];
  const broken: string[] = [];
  for (const pair of pairs) {
    const { weight: layer, bias, gamma, beta, mean, variance, count, isTransposed } = pair;
    const varianceValues = await valuesOf(variance);
    const fold = {
      layer,
      ...(bias === undefined ? {} : { bias }),
      gamma,
      beta,
      mean,
      variance,
      ...(count === undefined ? {} : { count }),
      epsilon: known ?? USUAL_EPSILON,
      isTransposed,
      biasValues: await valuesOf(bias),
      gammaValues: await valuesOf(gamma),
      betaValues: await valuesOf(beta),
      meanValues: await valuesOf(mean),
      varianceValues,
    };
    if (!isFoldable(fold)) {
      broken.push(pair.norm);
      continue;
    }
    if (known === undefined) checkVariance(pair, varianceValues);
    folds.push(fold);
  }
  return { folds, warnings: warningsOf(folds.length, left, broken) };
}

/** Numbers as they are in a model that works. */
function isFoldable(fold: Fold): boolean {
  const { biasValues, gammaValues, betaValues, meanValues, varianceValues } = fold;
  const all = [biasValues, gammaValues, betaValues, meanValues, varianceValues];
  return (
    all.every((values) => values.every(Number.isFinite)) &&
    varianceValues.every((value) => value >= 0)
  );
}

function checkVariance({ norm }: BatchNormPair, values: readonly number[]): void {
  const least = Math.min(...values);
  if (least > ENOUGH_VARIANCE) return;
  throw new MonoquantError(
    'invalid-options',
    `The file does not say the epsilon of its BatchNorm layers, which matters to "${norm}": its smallest variance is ${Number(least.toPrecision(3))}.`,
    {
      suggestion:
        'Give it (bnEps, --bn-eps): 1e-5 is that of torch.nn, torchvision and timm, 1e-3 that of Keras, TensorFlow and YOLO.',
    },
  );
}

function knownEpsilon({ globals }: Catalog): number | undefined {
  const found = EPSILONS.find(([library]) =>
    globals.some(({ module }) => module.startsWith(library)),
  );
  return found?.[1];
}

function warningsOf(
  folded: number,
  left: readonly { readonly norm: string; readonly reason: string }[],
  broken: readonly string[],
): readonly Warning[] {
  if (folded + left.length + broken.length === 0) {
    const message =
      'The file has no BatchNorm layers: there is nothing to fold, and all layers are left alone.';
    return [{ code: 'not-folded', message, tensors: [], total: 0 }];
  }
  const [first] = left;
  return [
    ...(first === undefined
      ? []
      : warningOf(
          'not-folded',
          `These BatchNorm layers are left alone, since it is not certain what is before them. Of the first: ${first.reason}.`,
          left.map(({ norm }) => norm),
        )),
    ...warningOf(
      'not-folded',
      'These BatchNorm layers are left alone: their numbers are not finite, or a variance is negative.',
      broken,
    ),
  ];
}
