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
import { addressOf } from '../js/url/address.js';
import type { RemoteInput } from '../js/url/remote-input.js';
import { InputFile } from './input-file.js';
import { leadsTo } from './open-file.js';
import type { OpenedFile, SourceFile } from './opened-files.js';
import { readFailed } from './read-failed.js';
import { openFileBehindUrl } from './remote-files.js';

/** A calibration of the largest models has some 50 MB; a string cannot have much more than this. */
const MOST_JSON_BYTES = 256 * 1024 * 1024;

export interface CalibrationFiles extends OpenedCalibration<SourceFile> {
  /** Throws where one of the files would be overwritten. */
  checkOutput(path: string): void;
}

export async function openCalibration(
  inputs: readonly CalibrationInput[],
  signal: AbortSignal | undefined,
): Promise<CalibrationFiles> {
  const files: OpenedFile[] = [];
  const close = () => {
    for (const file of files) file.close();
  };
  try {
    const parts: CalibrationPart<SourceFile>[] = [];
    for (const input of inputs) parts.push(await openPart(input, files, signal));
    return {
      parts,
      close,
      checkOutput: (path) => {
        if (!files.some(({ identity }) => identity && leadsTo(path, identity))) return;
        throw contradiction(`The output "${path}" is one of the inputs.`, 'Choose another name.');
      },
      checkUnchanged: async () => {
        await Promise.all(files.map((file) => file.checkUnchanged()));
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function openPart(
  input: CalibrationInput,
  files: OpenedFile[],
  signal: AbortSignal | undefined,
): Promise<CalibrationPart<SourceFile>> {
  if (isCalibration(input)) return { kind: 'calibration', document: input };
  if (typeof input !== 'string' && !(input instanceof URL)) {
    throw unexpected('a path, a URL or a calibration', 'calibration', input);
  }
  const address = addressOf(input);
  const file =
    address === undefined ? InputFile.open(input) : await openFileBehindUrl(address, signal);
  files.push(file);
  if (!/\.json$/i.test(file.name)) {
    return { kind: 'data', source: file.file, name: file.name };
  }
  return { kind: 'calibration', document: await readJson(file, signal) };
}

/** Read as it is: the engine checks what it says. */
async function readJson(
  file: InputFile | RemoteInput,
  signal: AbortSignal | undefined,
): Promise<Json<Calibration>> {
  const { path, size } = file.file;
  if (size > MOST_JSON_BYTES) {
    throw new MonoquantError('limit-exceeded', `"${path}" is too large for a calibration.`, {
      suggestion: 'Captured inputs are .safetensors, .npz or PyTorch files.',
    });
  }
  const bytes = file instanceof InputFile ? bytesOf(file) : await file.content(signal);
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

function bytesOf({ file }: InputFile): Uint8Array<ArrayBuffer> {
  try {
    return readFileSync(file.descriptor);
  } catch (cause) {
    throw readFailed(file.path, cause);
  }
}
