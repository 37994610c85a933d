/**
 * The package in browsers: models are Files or Blobs, or several Files each; results are Blobs.
 * Nothing leaves the machine, and nothing stays on it: close() removes what a result holds.
 */
import type { Functions } from '../../js/api/functions.js';
import type { AnyFile } from '../../js/api/host-types.js';
import type { ModelOf } from '../../js/api/model.js';
import { type RunOptions, resolveOpen } from '../../js/api/options.js';
import type { EngineInfo } from '../../js/api/types.js';
import { throwIfAborted } from '../../js/session/abort.js';
import type { BlobTypes } from './blob-types.js';
import { functions } from './model.js';
import { modelOf as modelAmong } from './model-source.js';
import { removeAbandoned } from './private-file.js';
import { startAnew } from './worker-host.js';

export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  MonoquantError,
} from '../../js/api/errors.js';
export { GateError } from '../../js/api/gate-error.js';
export type { ModelOf, Tensors } from '../../js/api/model.js';
export { describeOutput } from '../../js/api/model-config.js';
export type { CalibrateOptions, CompareOptions, RunOptions } from '../../js/api/options.js';
export type { OpenOptions, PlanOptions } from '../../js/api/plan-options.js';
export type { TensorData, TensorValues } from '../../js/api/tensor-data.js';
export * from '../../js/api/types.js';
export { version } from '../../js/api/version.js';
export { configure, type PackageSettings } from '../../js/session/settings.js';
export type {
  ConvertOptions,
  DequantizeOptions,
  ModelSource,
  QuantizeOptions,
  QuantizeResult,
  ReadableFile,
  ValidateOptions,
} from './blob-types.js';
export { type CompressOptions, compress } from './compress.js';

/** An open model: `open` makes it, `close` ends it. */
export type Model = ModelOf<BlobTypes>;

/**
 * Loads the engine that calls with these options will run on, and says which it is. Nothing has to wait for it:
 * it is for pages that want its files in the browser's cache before the first model is there. What closed tabs have left
 * on the device goes meanwhile.
 */
export async function preload(options: RunOptions = {}): Promise<EngineInfo> {
  const { run } = resolveOpen(options);
  throwIfAborted(run.signal);
  // Nobody waits for tidying up, and nothing depends on it.
  removeAbandoned().catch(() => {});
  const session = startAnew(run);
  try {
    const { info } = await session.engine;
    return info;
  } finally {
    await session.release();
  }
}

/** Of all that is in a folder: what belongs to the model, its index first where there is one. */
export const modelOf: (files: readonly AnyFile[]) => Promise<readonly AnyFile[]> = modelAmong;

/** Opens a model and reads its metadata. */
export const open: Functions<BlobTypes>['open'] = functions.open;

/** Opens a file for its tensors: quantized ones come as the values that their codes stand for. */
export const load: Functions<BlobTypes>['load'] = functions.load;

/**
 * Compares two files: sizes on disk, names, dtypes, shapes, and all values of the second with those of the first.
 * Quantized tensors are compared as the values that their codes stand for.
 */
export const compare: Functions<BlobTypes>['compare'] = functions.compare;

/**
 * Counts the values of one tensor in a model and in what was made from it, and the errors between the two, in bins
 * that a chart can be drawn from. Quantized tensors are counted as the values that their codes stand for.
 */
export const distribution: Functions<BlobTypes>['distribution'] = functions.distribution;

/**
 * What each tensor would lose, and take, under each of several settings: bits from 2 to 16 by default. Encodes the model
 * as often, and keeps nothing.
 */
export const sensitivity: Functions<BlobTypes>['sensitivity'] = functions.sensitivity;

/**
 * The best choices of bits for every size: measures each tensor under several settings, searches choices of which none is
 * better than another in all objectives, and encodes some of them to see what they really lose. Keeps nothing.
 */
export const search: Functions<BlobTypes>['search'] = functions.search;

/**
 * Checks a quantized file: its structure, its codes and scales and, where there is a reference, its values; executes
 * its layers.
 */
export const validate: Functions<BlobTypes>['validate'] = functions.validate;

/** Writes quantized tensors as floats again, under their original names and shapes. */
export const dequantize: Functions<BlobTypes>['dequantize'] = functions.dequantize;

/**
 * Reads captured inputs of a model's layers: files of tensors named by module, and perhaps a calibration to go on
 * from. What comes back can be stored as JSON and given to `quantize`.
 */
export const calibrate: Functions<BlobTypes>['calibrate'] = functions.calibrate;

/** Quantizes a model file. Call `close` on the result when its blob has been saved. */
export const quantize: Functions<BlobTypes>['quantize'] = functions.quantize;

/** Writes the same tensors, bit for bit, into another kind of file: the way out of pickles, and back. */
export const convert: Functions<BlobTypes>['convert'] = functions.convert;
