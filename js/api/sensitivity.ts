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
  /** The same, from executing the layer with its codes on captured inputs, beside the layer with its floats. */
  readonly executedError?: number;
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

/** How much of a sum its largest members have: in 1 % of them there is 1 % of it if they are even. */
export interface Concentration {
  readonly members: number;
  /** How many of them `share` is of: one for a hundred channels, or for a thousand weights, and at least one. */
  readonly largest: number;
  readonly share: number;
  /** The largest of all, at most four: which, and its share. */
  readonly named: readonly (readonly [index: number, share: number])[];
}

/** What would be left of a tensor's error, and what that takes. */
export interface Remedy {
  /** "8 bits" */
  readonly label: string;
  /** As that of the tensor: of outputs where their inputs are known, else of weights. */
  readonly error: number;
  /** Of all that would stand for the tensor in an output. */
  readonly bytes: number;
  /** False: no layout that loaders know has room for it. */
  readonly isStorable: boolean;
}

/** Where in its weights a tensor loses. */
export interface TensorOutliers {
  readonly name: string;
  readonly error: number;
  readonly bytes: number;
  /** Whether errors count by the mean squares of their inputs. */
  readonly weighted: boolean;
  /** Of the error, by input channel (a column of a Linear weight). */
  readonly inputs: Concentration;
  /** Of the error, by output channel (a row). */
  readonly outputs: Concentration;
  /** Of the error, by single weight, which is named by its index in the tensor. */
  readonly weights: Concentration;
  /** Of the sum of squares of the inputs, by channel, if they are known. */
  readonly squares?: Concentration;
  /** The largest of the inputs by magnitude, if their range is known: above 6, LLM.int8() keeps its channel in floats. */
  readonly largestInput?: number;
  readonly remedies: readonly Remedy[];
}

export interface Outliers {
  /** Of `settings`. */
  readonly setting: number;
  /** As many as there are codes for, in the order of `tensors`. */
  readonly tensors: readonly TensorOutliers[];
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
  /** Absent with a sample, and for GGUF files, which have other names. */
  readonly outliers?: Outliers;
}
