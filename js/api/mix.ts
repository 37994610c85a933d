/**
 * How bits were given out within a budget: what a plan and a report say of it.
 */

/** One of the settings that were chosen between, as far as anything has it. */
export interface MixPart {
  /** "4 bits, groups of 64". */
  readonly label: string;
  readonly tensors: number;
  readonly weights: number;
  readonly bytes: number;
}

export interface Mix {
  /** As it was asked for. */
  readonly budget: string;
  /** Of the whole output, and what it may have at most. */
  readonly bytes: number;
  readonly budgetBytes: number;
  /** Of what the bits were given to. */
  readonly bitsPerWeight: number;
  /** From the largest share of the weights to the smallest. */
  readonly parts: readonly MixPart[];
  /** What was made small: relative errors, each times the prior of its place, summed over what is decided together. */
  readonly score: number;
  /** No mix within the budget has less. */
  readonly bound: number;
  /** The best that one setting for all layers has within the budget; absent if none fits. */
  readonly uniform?: { readonly label: string; readonly score: number };
}
