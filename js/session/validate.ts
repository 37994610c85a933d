/**
 * Validating a quantized file, beside the model it was made from if that is known. Nothing is written.
 */
import { contradiction } from '../api/check.js';
import { FILE_FAULTS, MonoquantError } from '../api/errors.js';
import { parseJson } from '../api/json.js';
import { type RunOptions, resolveValidate, type ValidateOptions } from '../api/options.js';
import { option, say } from '../api/sentence.js';
import type { Validation } from '../api/types.js';
import { AS_DATA, type CalibrationPart } from './calibrate.js';
import type { HostTypes } from './host.js';
import type { FileOf, ModelPlace } from './model-place.js';
import { type RemoteFile, withFile } from './session.js';
import { withStage } from './stage-progress.js';
import { WHOLE } from './view.js';

type AnyFile = RemoteFile<never, never, unknown>;

export type ValidateChoices<Types extends HostTypes> = ValidateOptions<Types['named']> & {
  /** Is validated instead, with the model as its reference. */
  readonly file?: Types['named'];
};

export async function validateModel<Types extends HostTypes>(
  place: ModelPlace<Types>,
  { file, ...options }: ValidateChoices<Types>,
): Promise<Validation> {
  const { reference = file, ...others } = options;
  if (file !== undefined && options.reference !== undefined) {
    throw contradiction(
      'The reference of another file is this model.',
      say`Leave out ${option('reference')}.`,
    );
  }
  const ofReference = file === undefined ? {} : place.opening;
  const resolved = resolveValidate({ ...ofReference, ...others, reference });
  const { opening, calibration, run, failUnder, executes } = resolved;
  place.checkAsOpened(run);
  const { signal } = run;
  return place.withData(run, calibration, async (parts) => {
    const data = dataOf(parts);
    return place.withOther(run, reference, async (other) => {
      const [model, measure] =
        file === undefined || other === undefined ? [place.input, other] : [other, place.input];
      const session = place.session(signal);
      let opened: FileOf<Types>;
      try {
        const { fault } = model.beside;
        if (fault !== undefined) throw fault;
        opened = await place.open(model, WHOLE, 'unknown', run);
      } catch (error) {
        if (!(error instanceof MonoquantError) || !FILE_FAULTS.includes(error.code)) throw error;
        // A file that cannot be opened is what validation is for.
        const { version } = await session.engine;
        const { unreadable } = await import('./seldom.js');
        return unreadable(version, error.message, error.tensor);
      }
      const beside = measure && (await place.open(measure, opening, 'unsound', run));
      const job = { file: opened, reference: beside, failUnder, executes, run };
      if (data === undefined) return validateFile({ ...job, data: undefined });
      return withFile(session, data, AS_DATA, signal, (inputs) =>
        validateFile({ ...job, data: inputs }),
      );
    });
  });
}

interface ValidateJob {
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

async function validateFile(job: ValidateJob): Promise<Validation> {
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
  const { validationOf } = await import('./seldom.js');
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
function dataOf<Source>(parts: readonly CalibrationPart<Source>[]): Source | undefined {
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
