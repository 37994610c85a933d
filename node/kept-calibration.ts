/**
 * The file in which a calibration is kept, from its claim to its name.
 * It exists so that a calibration is whole or absent, and never in the place of what it is made from.
 */
import { type Calibration, type CalibrationInput, isCalibration } from '../js/api/calibration.js';
import { contradiction } from '../js/api/check.js';
import { type CalibrateRequest, keepsStatistics } from '../js/api/options.js';
import type { CalibrationPlace } from '../js/session/calibrate.js';
import { addressOf } from '../js/url/address.js';
import { printableJson } from '../js/words/printable.js';
import { InputFile, pathOf } from './input-file.js';
import { type FileIdentity, leadsTo, type OutputPlaces } from './open-file.js';
import { OutputFile } from './output-file.js';
import { publish } from './publication.js';

export class KeptCalibration implements CalibrationPlace<OutputPlaces> {
  readonly sink: OutputPlaces | undefined;
  readonly takesSecondMoments: boolean;
  readonly #file: OutputFile;

  /** Takes the output's place before any work; it must be none of the inputs. */
  static claim(
    { output, force, secondMoments }: CalibrateRequest,
    model: readonly FileIdentity[],
    inputs: readonly CalibrationInput[],
  ): KeptCalibration | undefined {
    if (output === undefined) return undefined;
    const path = pathOf(output, 'output');
    for (const input of inputs) checkApart(path, input);
    const file = OutputFile.create(path, { force, inputs: model });
    return new KeptCalibration(file, keepsStatistics(path), secondMoments);
  }

  private constructor(file: OutputFile, keepsStatistics: boolean, secondMoments: boolean) {
    this.#file = file;
    this.takesSecondMoments = secondMoments;
    // How large it is is known when it is written.
    this.sink = keepsStatistics ? [{ ...file.file, size: Number.POSITIVE_INFINITY }] : undefined;
  }

  fill(calibration: Calibration): void {
    this.#file.fill(`${printableJson(calibration, 0)}\n`);
  }

  publish(): Promise<void> {
    return publish([this.#file]);
  }

  discard(): void {
    this.#file.discard();
  }
}

function checkApart(output: string, input: CalibrationInput): void {
  if (isCalibration(input) || (typeof input !== 'string' && !(input instanceof URL))) return;
  if (addressOf(input) !== undefined) return;
  const file = InputFile.open(input);
  file.close();
  if (!leadsTo(output, file.identity)) return;
  throw contradiction(`The output "${output}" is one of the inputs.`, 'Choose another name.');
}
