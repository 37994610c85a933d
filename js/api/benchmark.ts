/**
 * Configurations side by side on one model: what each costs and loses, and how sure the difference is.
 * It exists as the document of `benchmark`.
 * Nothing of what was encoded is kept. Numbers of tensors are paired: the same tensor under two configurations.
 */
import type { Configuration } from './plan-options.js';

/** What tensors are compared by: what is lost of weights, or of what layers compute on captured inputs. */
export type BenchmarkMeasure = 'weights' | 'outputs';

export interface BenchmarkTensor {
  readonly name: string;
  readonly elements: number;
  /** Of all that stands for it in an output. */
  readonly bytes: number;
  /** Null: nothing was lost. */
  readonly sqnrDb: number | null;
  /** Of its layer, executed on captured inputs beside the float layer; only where that was done. */
  readonly outputSqnrDb?: number | null;
}

export interface BenchmarkRow {
  readonly name: string;
  readonly configuration: Configuration;
  /** Of the file that would be written. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** Means over the tensors that lost anything, weighted by their elements; null: none did, or nothing was executed. */
  readonly sqnrDb: number | null;
  readonly outputSqnrDb: number | null;
  /** Reading, encoding and dropping: the median of the rounds, and each of them. */
  readonly ms: number;
  readonly rounds: readonly number[];
  /** Of the process while it ran, looked at from time to time. */
  readonly peakBytes: number;
  readonly warnings: readonly string[];
  /** That were changed, in the order of their names. */
  readonly tensors: readonly BenchmarkTensor[];
}

/** `name` held against the baseline, tensor by tensor: positive differences are in its favour. */
export interface BenchmarkComparison {
  readonly baseline: string;
  readonly name: string;
  /** Tensors that both have changed, and the layers that they belong to. */
  readonly pairs: number;
  readonly blocks: number;
  /** Tensors that only one of them has changed, or has left without any error. */
  readonly unpaired: number;
  readonly medianDb: number;
  /** The interval of the median: 95 % of bootstrap samples of whole layers. */
  readonly lowDb: number;
  readonly highDb: number;
  /** Weighted by elements. */
  readonly meanDb: number;
  /** By at least 0.01 dB. */
  readonly wins: number;
  readonly losses: number;
  readonly ties: number;
  /** The tensor that is worse by most, if any is. */
  readonly worst?: { readonly tensor: string; readonly db: number };
  /** Of Wilcoxon's signed-rank test, two-sided; with several comparisons corrected by Holm. */
  readonly p: number;
  /** From -1, all are worse, to 1: rank-biserial correlation. */
  readonly effect: number;
  /** How many times the baseline's. */
  readonly bytesRatio: number;
  readonly msRatio: number;
}

export interface Benchmark {
  readonly version: string;
  readonly engine: { readonly kind: 'st' | 'mt'; readonly threads: number };
  /** As it was named; null if it was given as bytes. */
  readonly model: string | null;
  readonly sourceBytes: number;
  readonly seed: number;
  readonly measure: BenchmarkMeasure;
  /** The first is the baseline. */
  readonly configurations: readonly BenchmarkRow[];
  /** Of each but the first; none if they have no tensor in common. */
  readonly comparisons: readonly BenchmarkComparison[];
  /** One sentence. */
  readonly verdict: string;
}
