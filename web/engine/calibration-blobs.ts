/**
 * Calibration files in browsers: Blobs of captured inputs, and calibrations.
 * It exists because a calibration may come as a file that somebody dropped.
 * A File whose name ends in `.json`, or a Blob of that type, is a calibration; anything else is data.
 */
import {
  type Calibration,
  type CalibrationInput,
  isCalibration,
} from '../../js/api/calibration.js';
import { unexpected } from '../../js/api/check.js';
import { MonoquantError } from '../../js/api/errors.js';
import { decodeText, plainJson } from '../../js/api/given-json.js';
import type { Json } from '../../js/api/json.js';
import type { CalibrationPart, OpenedCalibration } from '../../js/session/calibrate.js';

export async function openCalibration(
  inputs: readonly CalibrationInput[],
): Promise<OpenedCalibration<Blob>> {
  const parts = await Promise.all(inputs.map(openPart));
  // The browser itself notices a file that was changed.
  return { parts, checkUnchanged: () => {}, close: () => {} };
}

async function openPart(input: CalibrationInput): Promise<CalibrationPart<Blob>> {
  if (isCalibration(input)) return { kind: 'calibration', document: input };
  if (!(input instanceof Blob)) {
    throw unexpected('a File, a Blob or a calibration', 'calibration', input);
  }
  const name = input instanceof File ? input.name : '';
  const isJson = /\.json$/i.test(name) || input.type === 'application/json';
  if (!isJson) return { kind: 'data', source: input, name };
  const bytes = new Uint8Array(await input.arrayBuffer());
  try {
    const json = plainJson(decodeText(bytes).text);
    JSON.parse(json);
    return { kind: 'calibration', document: json as Json<Calibration> };
  } catch (cause) {
    const what = name === '' ? 'the Blob' : `"${name}"`;
    throw new MonoquantError(
      'malformed-file',
      `Expected a calibration in ${what}, found no JSON.`,
      {
        suggestion: 'Make one with calibrate(model, data).',
        cause,
      },
    );
  }
}
