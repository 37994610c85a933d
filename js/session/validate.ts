/**
 * Validating a quantized file, beside the model it was made from if that is known. Nothing is written.
 */
import { contradiction } from '../api/check.js';
import { parseJson } from '../api/json.js';
import type { RunOptions } from '../api/options.js';
import type { Validation } from '../api/types.js';
import { validationOf } from '../report/validation.js';
import type { CalibrationPart } from './calibrate.js';
import type { RemoteFile } from './session.js';
import { withStage } from './stage-progress.js';

type AnyFile = RemoteFile<never, never, unknown>;

export interface ValidateJob {
  /** Opened as a whole; like the reference with its quantized tensors joined. */
  readonly file: AnyFile;
  readonly reference: AnyFile | undefined;
  /** Captured inputs for the layers. */
  readonly data: AnyFile | undefined;
  readonly failUnder: number | undefined;
  /** Whether layers are executed. */
  readonly executes: boolean;
  readonly run: RunOptions;
}

export async function validateFile(job: ValidateJob): Promise<Validation> {
  const { file, reference, data, failUnder, executes, run } = job;
  const { signal } = run;
  const { version } = await file.session.engine;
  const catalog = parseJson(await file.request('catalog', null, { signal }));
  const expected = await reference?.request('catalog', null, { signal });
  const problems = parseJson(await file.request('problems', null, { signal }));
  const beside = { reference: reference?.number };
  const measured = await withStage('compare', run, (controls) =>
    file.request('compare', beside, controls),
  );
  const hasLayers = catalog.tensors.some(({ quantization }) => quantization !== undefined);
  const trial =
    executes && hasLayers
      ? await withStage('run', run, (controls) =>
          file.request('trial', { ...beside, data: data?.number }, controls),
        )
      : undefined;
  return validationOf({
    version,
    file: catalog,
    reference: expected === undefined ? undefined : parseJson(expected),
    problems,
    measured: parseJson(measured),
    trial: trial === undefined ? undefined : parseJson(trial),
    failUnder,
  });
}

/** Captured inputs are read as they are; what a calibration keeps of them cannot be fed to a layer. */
export function dataOf<Source>(parts: readonly CalibrationPart<Source>[]): Source | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  if (first.kind === 'data' && parts.length === 1) return first.source;
  throw contradiction(
    first.kind === 'data'
      ? 'Layers are executed on captured inputs from one file, not from several.'
      : 'Layers are executed on captured inputs, not on a calibration.',
    'Give one file of captured inputs, or none: layers without any are executed on random ones.',
  );
}
