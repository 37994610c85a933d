/**
 * Comparing and validating files with one worker.
 * It exists so that both are the same in every host.
 * Nothing is written, and the session ends here.
 */
import { contradiction } from '../api/check.js';
import { type ErrorCode, MonoquantError } from '../api/errors.js';
import type { Opening, RunOptions } from '../api/options.js';
import type { Catalog, Comparison, Problem, Validation } from '../api/types.js';
import { comparisonOf } from '../engine/comparison.js';
import { unreadable, validationOf } from '../engine/validation.js';
import type { CompareResult, TrialResult } from '../engine/wasm.js';
import type { CalibrationPart } from './calibrate.js';
import { openOptions } from './open-options.js';
import type { Session } from './session.js';
import { StageProgress } from './stage-progress.js';

export interface CompareJob<Source> {
  readonly first: Source;
  readonly second: Source;
  readonly opening: Opening;
  readonly run: RunOptions;
}

export interface ValidateJob<Source> {
  readonly file: Source;
  readonly reference: Source | undefined;
  /** Of the reference. */
  readonly opening: Opening;
  readonly failUnder: number | undefined;
  /** Whether layers are executed, and on which captured inputs: one file, or none. */
  readonly executes: boolean;
  readonly calibration: readonly CalibrationPart<Source>[];
  readonly run: RunOptions;
}

/** What a file that was written by a program is opened as. */
const WHOLE: Opening = { key: null, stripPrefix: '' };

/** What makes a file unreadable, as opposed to what is wrong with the machine. */
const FILE_FAULTS: readonly ErrorCode[] = [
  'unsupported-format',
  'malformed-file',
  'limit-exceeded',
  'file-truncated',
];

export async function compareWith<Source>(
  session: Session<Source, unknown, unknown>,
  { first, second, opening, run }: CompareJob<Source>,
): Promise<Comparison> {
  try {
    const { version } = await session.engine;
    const options = openOptions(opening, true);
    const { signal } = run;
    const catalog = await session.request('open', { source: second, options }, { signal });
    // The reference is what the open file is measured by.
    const { reference, result } = await measure(session, first, opening, run);
    if (reference === undefined) throw new MonoquantError('internal', 'There was no second file.');
    return comparisonOf(version, reference, JSON.parse(catalog) as Catalog, result);
  } finally {
    await session.close();
  }
}

export async function validateWith<Source>(
  session: Session<Source, unknown, unknown>,
  { file, reference, opening, failUnder, executes, calibration, run }: ValidateJob<Source>,
): Promise<Validation> {
  try {
    const data = dataOf(calibration);
    const { version } = await session.engine;
    const opened = await openFile(session, file, run, version);
    if ('valid' in opened) return opened;
    const found = await measure(session, reference, opening, run);
    const hasLayers = opened.tensors.some(({ quantization }) => quantization !== undefined);
    const sources = { reference, data };
    const trial = executes && hasLayers ? await execute(session, sources, opening, run) : undefined;
    return validationOf({
      version,
      file: opened,
      reference: found.reference,
      problems: found.problems,
      measured: found.result,
      trial,
      failUnder,
    });
  } finally {
    await session.close();
  }
}

/** A file that cannot be opened is what validation is for. */
async function openFile<Source>(
  session: Session<Source, unknown, unknown>,
  source: Source,
  { signal }: RunOptions,
  version: string,
): Promise<Catalog | Validation> {
  try {
    const options = openOptions(WHOLE, true);
    return JSON.parse(await session.request('open', { source, options }, { signal })) as Catalog;
  } catch (error) {
    if (!(error instanceof MonoquantError) || !FILE_FAULTS.includes(error.code)) throw error;
    return unreadable(version, error.message, error.tensor);
  }
}

interface Found {
  readonly reference: Catalog | undefined;
  readonly result: CompareResult;
  readonly problems: readonly Problem[];
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

/** Executes the layers of the open file. */
async function execute<Source>(
  session: Session<Source, unknown, unknown>,
  sources: { readonly reference: Source | undefined; readonly data: Source | undefined },
  opening: Opening,
  { signal, onProgress }: RunOptions,
): Promise<TrialResult> {
  const progress = onProgress === undefined ? undefined : new StageProgress('run', 1, onProgress);
  const result: string = await session.request(
    'trial',
    { ...sources, options: openOptions(opening, true) },
    { signal, onProgress: progress?.of(0) },
  );
  progress?.end();
  return JSON.parse(result) as TrialResult;
}

/** Reads the open file, and the reference beside it. */
async function measure<Source>(
  session: Session<Source, unknown, unknown>,
  reference: Source | undefined,
  opening: Opening,
  { signal, onProgress }: RunOptions,
): Promise<Found> {
  const progress =
    onProgress === undefined ? undefined : new StageProgress('compare', 1, onProgress);
  const options = openOptions(opening, true);
  const findings = await session.request(
    'compare',
    { reference, options },
    { signal, onProgress: progress?.of(0) },
  );
  progress?.end();
  const { catalog, result, problems } = findings;
  return {
    reference: catalog === undefined ? undefined : (JSON.parse(catalog) as Catalog),
    result: JSON.parse(result) as CompareResult,
    problems: JSON.parse(problems) as readonly Problem[],
  };
}
