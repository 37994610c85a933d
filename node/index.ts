/**
 * The package in Node: models are paths, results are files.
 * What a call opened is closed when its promise settles. Its engine waits a second for the next call; neither that nor
 * results stop an exit.
 */
import type { Functions } from '../js/api/functions.js';
import type { ModelOf } from '../js/api/model.js';
import type { FileTypes } from './file-types.js';
import { functions } from './model.js';
import { type RunLines, RunLog } from './runs/run-log.js';

export type { BenchmarkOptions } from '../js/api/benchmark-options.js';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  MonoquantError,
} from '../js/api/errors.js';
export { GateError } from '../js/api/gate-error.js';
export type { ModelOf, Tensors } from '../js/api/model.js';
export { describeOutput } from '../js/api/model-config.js';
export type {
  CalibrateFileOptions as CalibrateOptions,
  CompareOptions,
  ConvertOptions,
  DequantizeOptions,
  MergeOptions,
  QuantizeOptions,
  RunOptions,
  ValidateOptions,
} from '../js/api/options.js';
export type { OpenOptions, PlanOptions } from '../js/api/plan-options.js';
export type {
  RecordedCommand,
  RunFile,
  RunQuality,
  RunRecord,
  RunTotals,
} from '../js/api/run-record.js';
export type { TensorData, TensorValues } from '../js/api/tensor-data.js';
export * from '../js/api/types.js';
export { version } from '../js/api/version.js';
export { compareRuns, type RunComparison } from '../js/report/run-comparison.js';
export { configure, type PackageSettings } from '../js/session/settings.js';
export { benchmark } from './benchmark.js';
export type { ModelSource, OpenedFile, QuantizeResult, SaveOptions } from './file-types.js';
export { merge } from './merge.js';
export { type RepeatOptions, type Repetition, repeatRun } from './runs/repeat.js';
export type { RunLines } from './runs/run-log.js';

/** The runs that a log holds, the oldest first: `log` is the folder that calls were given as the option of this name. */
export async function readRuns(log: string | URL): Promise<RunLines> {
  return new RunLog(String(log)).read();
}

/** An open model: `open` makes it, `close` ends it. */
export type Model = ModelOf<FileTypes>;

/**
 * Opens a model and reads its metadata. Here and wherever a model is named: the path or the URL of a file, of a
 * folder with one model in it, or of the index of a model of several files.
 */
export const open: Functions<FileTypes>['open'] = functions.open;

/** Opens a file for its tensors: quantized ones come as the values that their codes stand for. */
export const load: Functions<FileTypes>['load'] = functions.load;

/**
 * Compares two files: sizes on disk, names, dtypes, shapes, and all values of the second with those of the first.
 * Quantized tensors are compared as the values that their codes stand for.
 */
export const compare: Functions<FileTypes>['compare'] = functions.compare;

/**
 * Counts the values of one tensor in a model and in what was made from it, and the errors between the two, in bins
 * that a chart can be drawn from. Quantized tensors are counted as the values that their codes stand for.
 */
export const distribution: Functions<FileTypes>['distribution'] = functions.distribution;

/**
 * What each tensor would lose, and take, under each of several settings: bits from 2 to 16 by default. Encodes the model
 * as often, and keeps nothing.
 */
export const sensitivity: Functions<FileTypes>['sensitivity'] = functions.sensitivity;

/**
 * The best choices of bits for every size: measures each tensor under several settings, searches choices of which none is
 * better than another in all objectives, and encodes some of them to see what they really lose. Keeps nothing.
 */
export const search: Functions<FileTypes>['search'] = functions.search;

/**
 * Checks a quantized file: its structure, its codes and scales and, where there is a reference, its values; executes
 * its layers.
 */
export const validate: Functions<FileTypes>['validate'] = functions.validate;

/** Writes quantized tensors as floats again, under their original names and shapes. */
export const dequantize: Functions<FileTypes>['dequantize'] = functions.dequantize;

/**
 * Reads captured inputs of a model's layers: files of tensors named by module, and perhaps a calibration to go on
 * from. What comes back can be stored as JSON and given to `quantize`.
 */
export const calibrate: Functions<FileTypes>['calibrate'] = functions.calibrate;

/** Quantizes a model file. Writes to `options.output`, or keeps the result aside until `save`. */
export const quantize: Functions<FileTypes>['quantize'] = functions.quantize;

/**
 * Writes the same tensors, bit for bit, into another kind of file: the way out of pickles, and back.
 * Writes to `options.output`, or keeps the result aside until `save`.
 */
export const convert: Functions<FileTypes>['convert'] = functions.convert;
