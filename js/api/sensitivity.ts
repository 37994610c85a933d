/**
 * What each tensor would lose, and take, under each of several settings: the table that bits are chosen by.
 * It exists as the document of `sensitivity`. It speaks of weights, and of what layers compute where their inputs are
 * known; what a whole model would lose is another question, which only running it answers.
 */
import type { LayerOverride } from './option-table/what.js';
import type { Configuration } from './plan-options.js';

/** Choices of one tensor, as an override has them. */
export type LayerChoices = Omit<LayerOverride, 'pattern'>;

export interface SensitivitySetting {
  /** "4 bits, groups of 64" */
  readonly label: string;
  readonly choices: LayerChoices;
}

/** One tensor under one setting. */
export interface SensitivityCell {
  /** Of all that stands for it in an output. */
  readonly bytes: number;
  /** Squared errors by squared weights: 0.01 is an SQNR of 20 dB. 0: nothing is lost. */
  readonly error: number;
  /** The same of what its layer computes, as far as mean squares or second moments of its inputs say. */
  readonly outputError?: number;
}

export interface SensitivityTensor {
  readonly name: string;
  readonly elements: number;
  /** The last name of its module, "down_proj": what it is in its layer. */
  readonly role: string;
  /** The number of its layer; null where it is in none. */
  readonly depth: number | null;
  /** Of `sets`: which one it is in. */
  readonly set: number;
  /** One a setting. */
  readonly cells: readonly SensitivityCell[];
}

export interface Sensitivity {
  readonly version: string;
  /** What the settings are changes of. */
  readonly configuration: Configuration;
  /** Values of each tensor that were looked at; null: all. */
  readonly sample: number | null;
  readonly settings: readonly SensitivitySetting[];
  /** In the order of the network: that of the layers' numbers, and in each that of the file. */
  readonly tensors: readonly SensitivityTensor[];
  /** Tensors that runtimes make one layer of have one setting: their indices in `tensors`. */
  readonly sets: readonly (readonly number[])[];
  /** Of the output: all that the settings do not change. */
  readonly fixedBytes: number;
  readonly sourceBytes: number;
}
