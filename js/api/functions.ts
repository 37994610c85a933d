/**
 * The package's functions as callers see them, the same in every host.
 * It exists so that declarations of the package name nothing of how a host works.
 */
import type { CalibrationInput } from './calibration.js';
import type { Front } from './front.js';
import type { ModelOf, ModelTypes, Tensors } from './model.js';
import type { CompareOptions, RunOptions, ValidateOptions } from './options.js';
import type { OpenOptions } from './plan-options.js';
import type { SearchOptions } from './search-options.js';
import type { Sensitivity } from './sensitivity.js';
import type { SensitivityOptions } from './sensitivity-options.js';
import type { Calibration, Comparison, Distribution, Validation } from './types.js';

export interface Functions<Types extends ModelTypes> {
  readonly open: (
    model: Types['named'],
    options?: OpenOptions & RunOptions,
  ) => Promise<ModelOf<Types>>;
  readonly load: (model: Types['named'], options?: OpenOptions & RunOptions) => Promise<Tensors>;
  readonly quantize: (
    model: Types['named'],
    options?: Types['quantize'],
  ) => Promise<Types['result']>;
  readonly convert: (model: Types['named'], options?: Types['convert']) => Promise<Types['result']>;
  readonly dequantize: (
    model: Types['named'],
    options?: Types['dequantize'],
  ) => Promise<Types['result']>;
  readonly calibrate: (
    model: Types['named'],
    data: CalibrationInput | readonly CalibrationInput[],
    options?: Types['calibrate'],
  ) => Promise<Calibration>;
  readonly validate: (
    file: Types['named'],
    options?: ValidateOptions<Types['named']>,
  ) => Promise<Validation>;
  readonly sensitivity: (
    model: Types['named'],
    options?: SensitivityOptions,
  ) => Promise<Sensitivity>;
  readonly search: (model: Types['named'], options?: SearchOptions) => Promise<Front>;
  readonly compare: (
    first: Types['named'],
    second: Types['named'],
    options?: CompareOptions,
  ) => Promise<Comparison>;
  readonly distribution: (
    first: Types['named'],
    second: Types['named'],
    tensor: string,
    options?: CompareOptions,
  ) => Promise<Distribution>;
}
