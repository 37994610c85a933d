/**
 * The package in Node: models are paths, results are files.
 * It exists as the one file that Node programs import.
 * Whatever a call opened or started has ended when its promise settles; results never stop an exit.
 */
import { join } from 'node:path';
import type { Calibration, CalibrationInput } from '../js/api/calibration.js';
import type { Model } from '../js/api/model.js';
import {
  type CalibrateOptions,
  type ConvertOptions,
  type QuantizeOptions,
  type QuantizeRequest,
  type RunOptions,
  resolveCalibrate,
  resolveConvert,
  resolveData,
  resolveOpen,
  resolveQuantize,
} from '../js/api/options.js';
import type { OpenOptions } from '../js/api/plan-options.js';
import { calibrateModel } from '../js/worker/calibrate.js';
import { openModel } from '../js/worker/model.js';
import { quantizeWith } from '../js/worker/quantize.js';
import { throwIfAborted } from '../js/worker/session.js';
import { type CalibrationFiles, openCalibration } from './calibration-files.js';
import { InputFile } from './input-file.js';
import { OutputFile } from './output-file.js';
import { FileResult, type QuantizeResult, TemporaryFolder } from './result.js';
import { startSession, startSessions } from './worker-host.js';

export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  MonoquantError,
} from '../js/api/errors.js';
export type { Model } from '../js/api/model.js';
export type {
  CalibrateOptions,
  ConvertOptions,
  QuantizeOptions,
  RunOptions,
} from '../js/api/options.js';
export type { OpenOptions, PlanOptions } from '../js/api/plan-options.js';
export * from '../js/api/types.js';
export { version } from '../js/api/version.js';
export type { QuantizeResult, SaveOptions } from './result.js';

/** Opens a model file and reads its metadata. */
export async function open(
  model: string | URL,
  options: OpenOptions & RunOptions = {},
): Promise<Model> {
  const { run, opening } = resolveOpen(options);
  throwIfAborted(run.signal);
  const input = InputFile.open(model);
  try {
    return await openModel(startSession(run), input.file, opening, run, {
      openCalibration: async (inputs) => openCalibration(inputs),
      release: () => input.close(),
    });
  } catch (error) {
    input.close();
    throw error;
  }
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
  const input = InputFile.open(model);
  try {
    const opened = openCalibration(inputs);
    try {
      const source = input.file;
      const job = { source, parts: opened.parts, opening, strict, run };
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

async function writeModel(model: string | URL, request: QuantizeRequest): Promise<QuantizeResult> {
  throwIfAborted(request.run.signal);
  const input = InputFile.open(model);
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
  input: InputFile,
  request: QuantizeRequest,
  calibration: CalibrationFiles,
): Promise<QuantizeResult> {
  const { identity } = input;
  const { run, configuration, gates } = request;
  const folder = request.output === undefined ? new TemporaryFolder() : undefined;
  try {
    const path = request.output ?? join(folder?.path ?? '', `model.${configuration.container}`);
    calibration.checkOutput(path);
    const output = OutputFile.create(path, { force: request.force, input: identity });
    try {
      const { report } = await quantizeWith(startSessions(run, input.file.size), {
        source: input.file,
        sink: output.file,
        configuration,
        calibration: calibration.parts,
        gates,
        run,
      });
      input.checkUnchanged();
      calibration.checkUnchanged();
      output.commit();
      return new FileResult(report, path, identity, folder);
    } finally {
      output.discard();
    }
  } catch (error) {
    await folder?.remove();
    throw error;
  }
}
