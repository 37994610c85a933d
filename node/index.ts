/**
 * The package in Node: models are paths, results are files.
 * It exists as the one file that Node programs import.
 * Whatever a call opened or started has ended when its promise settles; results never stop an exit.
 */
import type { Calibration, CalibrationInput } from '../js/api/calibration.js';
import type { Model, Tensors } from '../js/api/model.js';
import {
  type CalibrateOptions,
  type CompareOptions,
  type ConvertOptions,
  type DequantizeOptions,
  type QuantizeOptions,
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
  type ValidateOptions,
} from '../js/api/options.js';
import type { OpenOptions } from '../js/api/plan-options.js';
import type { Comparison, Distribution, Validation } from '../js/api/types.js';
import { calibrateModel } from '../js/worker/calibrate.js';
import { compareWith, validateWith } from '../js/worker/compare.js';
import { distributionWith } from '../js/worker/distribution.js';
import { openModel } from '../js/worker/model.js';
import { quantizeWith } from '../js/worker/quantize.js';
import { throwIfAborted } from '../js/worker/session.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import { type ModelFile, ModelInput } from './model-input.js';
import { OutputFile } from './output-file.js';
import { modelIn, namesFolder, OutputFolder } from './output-folder.js';
import { FileResult, type QuantizeResult, TemporaryFolder } from './result.js';
import { startSession, startSessions } from './worker-host.js';

export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  MonoquantError,
} from '../js/api/errors.js';
export type { Model, Tensors } from '../js/api/model.js';
export { describeOutput } from '../js/api/model-config.js';
export type {
  CalibrateOptions,
  CompareOptions,
  ConvertOptions,
  DequantizeOptions,
  QuantizeOptions,
  RunOptions,
  ValidateOptions,
} from '../js/api/options.js';
export type { OpenOptions, PlanOptions } from '../js/api/plan-options.js';
export type { TensorData, TensorValues } from '../js/api/tensor-data.js';
export * from '../js/api/types.js';
export { version } from '../js/api/version.js';
export type { QuantizeResult, SaveOptions } from './result.js';

/**
 * Opens a model and reads its metadata. Here and wherever a model is named: the path of a file, of a folder
 * with one model in it, or of the index of a model of several files.
 */
export async function open(
  model: string | URL,
  options: OpenOptions & RunOptions = {},
): Promise<Model> {
  return openFile(model, options, false);
}

async function openFile(
  model: string | URL,
  options: OpenOptions & RunOptions,
  joinQuantized: boolean,
): Promise<Model> {
  const { run, opening } = resolveOpen(options);
  throwIfAborted(run.signal);
  const input = ModelInput.open(model);
  try {
    const host = {
      openCalibration: async (inputs: readonly CalibrationInput[]) => openCalibration(inputs),
      release: () => input.close(),
    };
    const { source, modelClass } = input;
    const job = { source, modelClass, opening, run, host, joinQuantized };
    return await openModel(startSession(run), job);
  } catch (error) {
    input.close();
    throw error;
  }
}

/** Opens a file for its tensors: quantized ones come as the values that their codes stand for. */
export async function load(
  model: string | URL,
  options: OpenOptions & RunOptions = {},
): Promise<Tensors> {
  return openFile(model, options, true);
}

/**
 * Compares two files: sizes on disk, names, dtypes, shapes, and all values of the second with those of the first.
 * Quantized tensors are compared as the values that their codes stand for.
 */
export async function compare(
  first: string | URL,
  second: string | URL,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { run, opening } = resolveOpen(options);
  return withInputs([first, second], run, ([one, other]) =>
    compareWith(startSession(run), { first: one, second: other, opening, run }),
  );
}

/**
 * Counts the values of one tensor in a model and in what was made from it, and the errors between the two, in bins
 * that a chart can be drawn from. Quantized tensors are counted as the values that their codes stand for.
 */
export async function distribution(
  first: string | URL,
  second: string | URL,
  tensor: string,
  options: CompareOptions = {},
): Promise<Distribution> {
  const { run, opening } = resolveOpen(options);
  const name = resolveTensor(tensor);
  return withInputs([first, second], run, ([one, other]) =>
    distributionWith(startSession(run), { first: one, second: other, tensor: name, opening, run }),
  );
}

/**
 * Checks a quantized file: its structure, its codes and scales and, where there is a reference, its values; executes
 * its layers.
 */
export async function validate(
  file: string | URL,
  options: ValidateOptions<string | URL> = {},
): Promise<Validation> {
  const { reference, calibration, run, ...choices } = resolveValidate(options);
  const paths = reference === undefined ? [file] : [file, reference];
  return withInputs(paths, run, async ([one, other]) => {
    const data = openCalibration(calibration);
    try {
      const job = { ...choices, file: one, reference: other, calibration: data.parts, run };
      const validation = await validateWith(startSession(run), job);
      data.checkUnchanged();
      return validation;
    } finally {
      data.close();
    }
  });
}

/** Writes quantized tensors as floats again, under their original names and shapes. */
export async function dequantize(
  model: string | URL,
  options: DequantizeOptions = {},
): Promise<QuantizeResult> {
  return writeModel(model, resolveDequantize(options, true));
}

/**
 * Reads captured inputs of a model's layers: files of tensors named by module, and perhaps a calibration to go on
 * from. What comes back can be stored as JSON and given to `quantize`.
 */
export async function calibrate(
  model: string | URL,
  data: CalibrationInput | readonly CalibrationInput[],
  options: CalibrateOptions = {},
): Promise<Calibration> {
  const { run, opening, strict } = resolveCalibrate(options);
  const inputs = resolveData(data);
  throwIfAborted(run.signal);
  const input = ModelInput.open(model);
  try {
    const opened = openCalibration(inputs);
    try {
      const { source, modelClass } = input;
      const job = { source, modelClass, parts: opened.parts, opening, strict, run };
      const calibration = await calibrateModel(startSession(run), job);
      input.checkUnchanged();
      opened.checkUnchanged();
      return calibration;
    } finally {
      opened.close();
    }
  } finally {
    input.close();
  }
}

/** Quantizes a model file. Writes to `options.output`, or keeps the result aside until `save`. */
export async function quantize(
  model: string | URL,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  return writeModel(model, resolveQuantize(options, true));
}

/**
 * Writes the same tensors, bit for bit, into another kind of file: the way out of pickles, and back.
 * Writes to `options.output`, or keeps the result aside until `save`.
 */
export async function convert(
  model: string | URL,
  options: ConvertOptions = {},
): Promise<QuantizeResult> {
  return writeModel(model, resolveConvert(options, true));
}

/** Opens files for the time of some work on them. */
async function withInputs<const Paths extends readonly (string | URL)[], Result>(
  paths: Paths,
  { signal }: RunOptions,
  work: (files: { [Index in keyof Paths]: ModelFile }) => Promise<Result>,
): Promise<Result> {
  throwIfAborted(signal);
  const inputs: ModelInput[] = [];
  try {
    for (const path of paths) inputs.push(ModelInput.open(path));
    const files = inputs.map(({ source }) => source);
    const result = await work(files as { [Index in keyof Paths]: ModelFile });
    for (const input of inputs) input.checkUnchanged();
    return result;
  } finally {
    for (const input of inputs) input.close();
  }
}

async function writeModel(model: string | URL, request: QuantizeRequest): Promise<QuantizeResult> {
  throwIfAborted(request.run.signal);
  const input = ModelInput.open(model);
  try {
    const calibration = openCalibration(request.calibration);
    try {
      return await quantizeFile(input, request, calibration);
    } finally {
      calibration.close();
    }
  } finally {
    input.close();
  }
}

async function quantizeFile(
  input: ModelInput,
  request: QuantizeRequest,
  calibration: CalibrationFiles,
): Promise<QuantizeResult> {
  const { identities } = input;
  const { run, configuration, gates, force } = request;
  const aside = request.output === undefined ? new TemporaryFolder() : undefined;
  const place = request.output ?? `${aside?.path ?? ''}/`;
  const isFolder = aside !== undefined || namesFolder(place, input.path);
  const path = isFolder ? modelIn(place, configuration.container) : place;
  let folder: OutputFolder | undefined;
  try {
    calibration.checkOutput(path);
    if (isFolder && aside === undefined) folder = OutputFolder.begin(place, input, force);
    const output = OutputFile.create(path, { force, inputs: identities });
    try {
      const { report } = await quantizeWith(startSessions(run, input.bytes), {
        source: input.source,
        modelClass: input.modelClass,
        sink: output.file,
        configuration,
        calibration: calibration.parts,
        gates,
        run,
      });
      input.checkUnchanged();
      calibration.checkUnchanged();
      await folder?.fill(report.outputConfig, configuration.dequantize === null);
      // Last of all the weights: without them no loader takes the folder for a model.
      folder?.commit();
      output.commit();
      const { key, stripPrefix } = configuration;
      const reference = {
        reference: input.path,
        ...(key === null ? {} : { key }),
        stripPrefix,
      };
      return new FileResult(report, path, identities, aside, {
        validate: (file, options) => validate(file, { ...reference, ...options }),
        dequantize,
      });
    } finally {
      output.discard();
    }
  } catch (error) {
    await aside?.remove();
    throw error;
  } finally {
    folder?.discard();
  }
}
