/**
 * What the engine is told of a configuration: every choice in it that is about the output.
 * Patterns never reach the engine; it gets indices of tensors in the catalog.
 */
import { type ResolvedPatterns, resolvePatterns } from '../api/patterns.js';
import type { Configuration } from '../api/types.js';

/** What opening the file has used, or the engine has another name for. */
type Elsewhere =
  | 'key'
  | 'budget'
  | 'prior'
  | 'stripPrefix'
  | 'calibration'
  | 'dequantize'
  | 'requantize'
  | 'maxShardSize'
  | 'zstdLevel'
  | 'foldBn'
  | 'bnEps'
  | 'outliers'
  | 'smooth'
  | 'drop'
  | keyof ResolvedPatterns;

export interface EngineOptions extends Omit<Configuration, Elsewhere>, ResolvedPatterns {
  /** What stored codes become, where `bits` is `none`. */
  readonly dequantizedType?: string;
  /** Bytes of tensors that a file may have, if the output is to be several. */
  readonly maxFileBytes?: number;
  /** Where files of the source end, if the output is to be divided as it is. */
  readonly fileEnds?: readonly number[];
  /** BatchNorm layers that are folded. */
  readonly folds?: readonly Fold[];
  /** What an earlier run found that no header shows: these tensors can only be copied. */
  readonly unfit: readonly UnfitTensor[];
}

/** A BatchNorm and the layer before it: indices of their tensors, and the values of all but the weight. */
export interface Fold {
  readonly layer: number;
  readonly bias?: number;
  readonly gamma: number;
  readonly beta: number;
  readonly mean: number;
  readonly variance: number;
  readonly count?: number;
  readonly epsilon: number;
  readonly isTransposed: boolean;
  readonly biasValues: readonly number[];
  readonly gammaValues: readonly number[];
  readonly betaValues: readonly number[];
  readonly meanValues: readonly number[];
  readonly varianceValues: readonly number[];
}

/** Tensors that are rescaled together, by their indices: plan/rescaling.h. */
export interface Rescale {
  readonly producer: number;
  readonly bias?: number;
  readonly firstRow: number;
  readonly balances: readonly number[];
  readonly head: number;
  readonly repeats: number;
}

/** What a RescaleStage is to choose, and how. */
export interface RescaleRequest {
  /** An alpha for all, or how it is chosen. */
  readonly smooth: number | 'auto' | 'awq';
  readonly pairs: readonly Rescale[];
}

/** What it has chosen. */
export interface RescaleResult {
  readonly rescales: readonly (Rescale & {
    readonly how: string;
    readonly factors: readonly number[];
  })[];
  /** Pairs that stay as they are. */
  readonly left: readonly { readonly pair: number; readonly reason: string }[];
}

export interface UnfitTensor {
  readonly tensor: number;
  readonly reason: 'non-finite' | 'overflow';
  readonly explanation: string;
}

/** What tensors have each for itself, by their indices in the catalog. */
export type TensorChoices = ResolvedPatterns['overrides'][number];

/** `names` are asked for only if there are patterns; `fileEnds` are those of the files that the source is. */
export function engineOptions(
  configuration: Configuration,
  names: () => readonly string[],
  fileEnds: readonly number[],
  mix: readonly TensorChoices[] = [],
): Omit<EngineOptions, 'unfit'> {
  const {
    key,
    budget: _,
    prior: __,
    stripPrefix,
    calibration,
    dequantize,
    requantize,
    maxShardSize,
    zstdLevel,
    foldBn,
    bnEps,
    outliers: ___,
    smooth,
    drop,
    ignore,
    overrides,
    ...choices
  } = configuration;
  const hasPatterns = ignore.length > 0 || overrides.length > 0;
  const resolved = resolvePatterns(configuration, hasPatterns ? names() : []);
  return {
    ...choices,
    ...resolved,
    // What somebody has said of a tensor counts more.
    overrides: [...mix, ...resolved.overrides],
    ...(dequantize === null ? {} : { dequantizedType: dequantize }),
    ...(typeof maxShardSize === 'number' ? { maxFileBytes: maxShardSize } : {}),
    // The order of tensors in a GGUF file is that of the source's files.
    ...(maxShardSize === 'source' || configuration.container === 'gguf' ? { fileEnds } : {}),
  };
}
