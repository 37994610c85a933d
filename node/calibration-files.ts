/**
 * Calibration files in Node: captured inputs are opened, calibrations are read.
 * It exists because what a path means shows its ending: `.json` is a calibration, anything else data.
 * Everything is open at once, before any work: a name that is wrong is told first.
 */
import { readFileSync } from 'node:fs';
import { type Calibration, type CalibrationInput, isCalibration } from '../js/api/calibration.js';
import { contradiction, unexpected } from '../js/api/check.js';
import { MonoquantError } from '../js/api/errors.js';
import { decodeText, plainJson } from '../js/api/given-json.js';
import type { Json } from '../js/api/json.js';
import type { CalibrationPart, OpenedCalibration } from '../js/session/calibrate.js';
import { InputFile } from './input-file.js';
import { leadsTo, type SizedFile } from './open-file.js';
import { readFailed } from './read-failed.js';

/** A calibration of the largest models has some 50 MB; a string cannot have much more than this. */
const MOST_JSON_BYTES = 256 * 1024 * 1024;

export interface CalibrationFiles extends OpenedCalibration<SizedFile> {
  /** Throws where one of the files would be overwritten. */
  checkOutput(path: string): void;
}

export function openCalibration(inputs: readonly CalibrationInput[]): CalibrationFiles {
  const files: InputFile[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  try {
    const parts = inputs.map((input) => openPart(input, files));
    return {
      parts,
      close,
      checkOutput: (path) => {
        if (!files.some(({ identity }) => leadsTo(path, identity))) return;
        throw contradiction(`The output "${path}" is one of the inputs.`, 'Choose another name.');
      },
      checkUnchanged: () => {
        for (const file of files) file.checkUnchanged();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function openPart(input: CalibrationInput, files: InputFile[]): CalibrationPart<SizedFile> {
  if (isCalibration(input)) return { kind: 'calibration', document: input };
  if (typeof input !== 'string' && !(input instanceof URL)) {
    throw unexpected('a path, a file: URL or a calibration', 'calibration', input);
  }
  const file = InputFile.open(input);
  files.push(file);
  if (!/\.json$/i.test(file.file.path)) return { kind: 'data', source: file.file };
  return { kind: 'calibration', document: readJson(file.file) };
}

/** Read as it is: the engine checks what it says. */
function readJson({ descriptor, path, size }: SizedFile): Json<Calibration> {
  if (size > MOST_JSON_BYTES) {
    throw new MonoquantError('limit-exceeded', `"${path}" is too large for a calibration.`, {
      suggestion: 'Captured inputs are .safetensors, .npz or PyTorch files.',
    });
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = readFileSync(descriptor);
  } catch (cause) {
    throw readFailed(path, cause);
  }
  try {
    const text = plainJson(decodeText(bytes).text);
    JSON.parse(text);
    return text as Json<Calibration>;
  } catch (cause) {
    throw new MonoquantError(
      'malformed-file',
      `Expected a calibration in "${path}", found no JSON.`,
      {
        suggestion: 'Make one with monoquant calibrate MODEL DATA.',
        cause,
      },
    );
  }
}
