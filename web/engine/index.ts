/**
 * The package in browsers: models are Files or Blobs, or several Files each; results are Blobs.
 * It exists as the one file that pages import.
 * Nothing leaves the machine, and nothing stays on it: close() removes what a result holds.
 */
import type { Calibration, CalibrationInput } from '../../js/api/calibration.js';
import type { Model, Tensors } from '../../js/api/model.js';
import {
  type ConvertOptions as AnyConvertOptions,
  type DequantizeOptions as AnyDequantizeOptions,
  type QuantizeOptions as AnyQuantizeOptions,
  type ValidateOptions as AnyValidateOptions,
  type CalibrateOptions,
  type CompareOptions,
  type QuantizeRequest,
  type RunOptions,
  resolveCalibrate,
  resolveConvert,
  resolveData,
  resolveDequantize,
  resolveOpen,
  resolveQuantize,
  resolveTensor,
  resolveValidate,
} from '../../js/api/options.js';
import type { OpenOptions } from '../../js/api/plan-options.js';
import type {
  Comparison,
  Distribution,
  EngineInfo,
  Report,
  Validation,
  Warning,
} from '../../js/api/types.js';
import { calibrateModel } from '../../js/worker/calibrate.js';
import { compareWith, validateWith } from '../../js/worker/compare.js';
import { distributionWith } from '../../js/worker/distribution.js';
import { openModel } from '../../js/worker/model.js';
import { quantizeWith } from '../../js/worker/quantize.js';
import { throwIfAborted } from '../../js/worker/session.js';
import { openCalibration } from './calibration-blobs.js';
import { type ModelSource, modelClassOf, sourceOf } from './model-source.js';
import { PrivateFileName } from './private-file.js';
import { startSession } from './worker-host.js';

export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  MonoquantError,
} from '../../js/api/errors.js';
export type { Model, Tensors } from '../../js/api/model.js';
export { describeOutput } from '../../js/api/model-config.js';
export type { CalibrateOptions, CompareOptions, RunOptions } from '../../js/api/options.js';
export type { OpenOptions, PlanOptions } from '../../js/api/plan-options.js';
export type { TensorData, TensorValues } from '../../js/api/tensor-data.js';
export * from '../../js/api/types.js';
export { version } from '../../js/api/version.js';
export { type ModelSource, modelOf } from './model-source.js';

/** Those of Node without the ones that speak of paths. */
export type QuantizeOptions = Omit<AnyQuantizeOptions, 'output' | 'force'>;
export type ConvertOptions = Omit<AnyConvertOptions, 'output' | 'force'>;
export type DequantizeOptions = Omit<AnyDequantizeOptions, 'output' | 'force'>;
export type ValidateOptions = AnyValidateOptions<ModelSource>;

export interface QuantizeResult {
  readonly report: Report;
  /** Those of the report. */
  readonly warnings: readonly Warning[];
  /** Checks the output, by default with the model that it was made from as reference. */
  validate(options?: ValidateOptions): Promise<Validation>;
  /** Writes the output's quantized tensors as floats again. */
  dequantize(options?: DequantizeOptions): Promise<QuantizeResult>;
  /** The output file. Large ones are on disk, and readable until close(). */
  blob(): Blob;
  /** Removes the output from where it was kept; what was saved from it stays. */
  close(): Promise<void>;
}

/**
 * Loads the engine that calls with these options will run on, and says which it is. Nothing has to wait for it:
 * it is for pages that want its files in the browser's cache before the first model is there.
 */
export async function preload(options: RunOptions = {}): Promise<EngineInfo> {
  const { run } = resolveOpen(options);
  throwIfAborted(run.signal);
  const session = startSession(run);
  try {
    const { info } = await session.engine;
    return info;
  } finally {
    await session.close();
  }
}

/** Opens a model and reads its metadata. */
export async function open(
  model: ModelSource,
  options: OpenOptions & RunOptions = {},
): Promise<Model> {
  return openFile(model, options, false);
}

async function openFile(
  model: ModelSource,
  options: OpenOptions & RunOptions,
  joinQuantized: boolean,
): Promise<Model> {
  const { run, opening } = resolveOpen(options);
  throwIfAborted(run.signal);
  const source = await sourceOf(model);
  const modelClass = await modelClassOf(model);
  const host = { openCalibration, release: () => {} };
  return openModel(startSession(run), { source, modelClass, opening, run, host, joinQuantized });
}

/**
 * Reads captured inputs of a model's layers: files of tensors named by module, and perhaps a calibration to go on
 * from. What comes back can be stored as JSON and given to `quantize`.
 */
export async function calibrate(
  model: ModelSource,
  data: CalibrationInput | readonly CalibrationInput[],
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { run, opening, strict } = resolveCalibrate(options);
  const inputs = resolveData(data);
  throwIfAborted(run.signal);
  const source = await sourceOf(model);
  const modelClass = await modelClassOf(model);
  const { parts } = await openCalibration(inputs);
  return calibrateModel(startSession(run), { source, modelClass, parts, opening, strict, run });
}

/** Quantizes a model file. Call `close` on the result when its blob has been saved. */
export async function quantize(
  model: ModelSource,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  return writeModel(model, resolveQuantize(options, false));
}

/** Writes the same tensors, bit for bit, into another kind of file: the way out of pickles, and back. */
export async function convert(
  model: ModelSource,
  options: ConvertOptions = {},
): Promise<QuantizeResult> {
  return writeModel(model, resolveConvert(options, false));
}

/** Opens a file for its tensors: quantized ones come as the values that their codes stand for. */
export async function load(
  model: ModelSource,
  options: OpenOptions & RunOptions = {},
): Promise<Tensors> {
  return openFile(model, options, true);
}

/**
 * Compares two files: sizes, names, dtypes, shapes, and all values of the second with those of the first.
 * Quantized tensors are compared as the values that their codes stand for.
 */
export async function compare(
  first: ModelSource,
  second: ModelSource,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { run, opening } = resolveOpen(options);
  throwIfAborted(run.signal);
  const files = { first: await sourceOf(first), second: await sourceOf(second) };
  return compareWith(startSession(run), { ...files, opening, run });
}

/**
 * Counts the values of one tensor in a model and in what was made from it, and the errors between the two, in bins
 * that a chart can be drawn from. Quantized tensors are counted as the values that their codes stand for.
 */
export async function distribution(
  first: ModelSource,
  second: ModelSource,
  tensor: string,
  options: CompareOptions = {},
): Promise<Distribution> {
  const { run, opening } = resolveOpen(options);
  const name = resolveTensor(tensor);
  throwIfAborted(run.signal);
  const files = { first: await sourceOf(first), second: await sourceOf(second) };
  return distributionWith(startSession(run), { ...files, tensor: name, opening, run });
}

/**
 * Checks a quantized file: its structure, its codes and scales and, where there is a reference, its values; executes
 * its layers.
 */
export async function validate(
  file: ModelSource,
  options: ValidateOptions = {},
): Promise<Validation> {
  const { reference: beside, calibration: data, run, ...choices } = resolveValidate(options);
  throwIfAborted(run.signal);
  const source = await sourceOf(file);
  const reference = beside === undefined ? undefined : await sourceOf(beside);
  const { parts: calibration } = await openCalibration(data);
  const job = { ...choices, file: source, reference, calibration, run };
  return validateWith(startSession(run), job);
}

/** Writes quantized tensors as floats again, under their original names and shapes. */
export async function dequantize(
  model: ModelSource,
  options: DequantizeOptions = {},
): Promise<QuantizeResult> {
  return writeModel(model, resolveDequantize(options, false));
}

async function writeModel(
  model: ModelSource,
  { run, configuration, calibration, gates }: QuantizeRequest,
): Promise<QuantizeResult> {
  throwIfAborted(run.signal);
  const source = await sourceOf(model);
  const modelClass = await modelClassOf(model);
  const { parts } = await openCalibration(calibration);
  const file = await PrivateFileName.claim();
  try {
    const { key, stripPrefix } = configuration;
    const opening = { ...(key === null ? {} : { key }), stripPrefix };
    const sink = file.name;
    const job = { source, modelClass, sink, configuration, calibration: parts, gates, run };
    const { report, output } = await quantizeWith([startSession(run)], job);
    return {
      report,
      warnings: report.warnings,
      validate: (options) => validate(output, { reference: model, ...opening, ...options }),
      dequantize: (options) => dequantize(output, options),
      blob: () => output,
      close: () => file.release(),
    };
  } catch (error) {
    await file.release();
    throw error;
  }
}
