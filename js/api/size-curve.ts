/**
 * Size against loss before any run: what single settings for all layers cost, and the best mixes of them.
 */
import type { SensitivitySetting } from './sensitivity.js';

export interface SizePoint {
  /** Of the whole output. */
  readonly bytes: number;
  /** Relative errors, each times the prior of its place, summed: a measure to choose by, not that of the model. */
  readonly score: number;
}

export interface SizeCurve {
  readonly version: string;
  readonly sourceBytes: number;
  /** Weights whose bits can be chosen, and what else the output has. */
  readonly weights: number;
  readonly fixedBytes: number;
  /** Each setting everywhere, in the order of the settings. */
  readonly uniform: readonly (SensitivitySetting & SizePoint)[];
  /** The best mixes, from the smallest to the one that loses least: between two of them is none better than the line. */
  readonly mixed: readonly SizePoint[];
}
