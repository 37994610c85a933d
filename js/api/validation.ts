/**
 * Whether a quantized file is what it should be.
 * It exists as the document of `validate`.
 * A file is valid when there is no problem; warnings do not make it invalid.
 */
import type { StoredCodes } from './catalog.js';
import type { Problem } from './problem.js';
import { MODES, type Mode } from './schemes.js';
import type { Warning } from './warning.js';

/** How a runtime treats the inputs of a layer: as INT8 by each sample, as INT8 by a stored scale, or as floats. */
export const ACTIVATION_MODES = MODES;
export type ActivationMode = Mode;

/** A layer that was executed as a runtime would, beside the float layer. */
export interface LayerRun {
  readonly mode: ActivationMode;
  /**
   * `seeded`: random ones, the same in every run; `statistics`: such ones, in each column as large as statistics of
   * captured inputs say.
   */
  readonly inputs: 'captured' | 'statistics' | 'seeded';
  readonly samples: number;
  /** Of its outputs; null where nothing was lost. */
  readonly sqnrDb: number | null;
  /** Cosine of the angle between both layers' outputs. */
  readonly cosine: number;
}

export interface ValidatedTensor {
  readonly name: string;
  readonly elements: number;
  readonly quantization: StoredCodes;
  /** Against the reference; null where there is none, or where nothing was lost. */
  readonly sqnrDb: number | null;
  readonly maxError: number | null;
  /**
   * Of the layer that it is a weight of; missing where layers are not executed, or not this one. Without a reference
   * the float layer has the dequantized weights, so that only what quantizing the inputs costs shows.
   */
  readonly run?: LayerRun;
  /** Why its layer was not executed, where layers are. */
  readonly notRun?: string;
}

export interface Validation {
  readonly version: string;
  readonly valid: boolean;
  readonly problems: readonly Problem[];
  /**
   * What the pickles of both files name; tensors that the index takes from another file; captured inputs that fit no
   * layer, and so were not used.
   */
  readonly warnings: readonly Warning[];
  /** Whether values were compared with those of a reference. */
  readonly hasReference: boolean;
  /** Mean SQNR in dB of the quantized tensors, weighted by their elements. */
  readonly sqnrDb: number | null;
  /** Mean SQNR in dB of the executed layers' outputs, weighted by the elements of their weights. */
  readonly outputSqnrDb: number | null;
  /** Those that are quantized, worst first. */
  readonly tensors: readonly ValidatedTensor[];
}
