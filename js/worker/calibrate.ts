/**
 * Calibrating: file after file of captured inputs is added to one calibration.
 * It exists because quantizing, planning and calibrating all begin with it.
 * The calibration stays the engine's JSON text between files; nothing is rounded on the way.
 */
import type { Calibration } from '../api/calibration.js';
import { contradiction } from '../api/check.js';
import type { ModelClass } from '../api/model-config.js';
import type { Opening, RunOptions } from '../api/options.js';
import type { Warning } from '../api/types.js';
import { completeWarnings, dataWarnings } from '../engine/data-warnings.js';
import { gateWarnings } from '../engine/report.js';
import type { CalibrateResult, DataProblems } from '../engine/wasm.js';
import { openOptions } from './open-options.js';
import type { Session } from './session.js';
import { StageProgress } from './stage-progress.js';

/** What a host made of a CalibrationInput. */
export type CalibrationPart<Source> =
  | { readonly kind: 'calibration'; readonly json: string }
  | { readonly kind: 'data'; readonly source: Source };

/** Parts whose files are open until `close`. */
export interface OpenedCalibration<Source> {
  readonly parts: readonly CalibrationPart<Source>[];
  /** Throws where a file was changed while it was read. */
  checkUnchanged(): void;
  close(): void;
}

export interface Calibrated {
  /** JSON of a Calibration; null where there is no data. */
  readonly json: string | null;
  /** About data that fit no layer: only reading them shows that. */
  readonly warnings: readonly Warning[];
  /** Of the last file, which knows about all of them. */
  readonly problems: DataProblems | undefined;
}

/** The model is open in the session. */
export async function calibrateWith<Source>(
  session: Session<Source, unknown, unknown>,
  parts: readonly CalibrationPart<Source>[],
  { signal, onProgress }: RunOptions,
): Promise<Calibrated> {
  let json: string | null = null;
  let problems: DataProblems | undefined;
  const found: DataProblems[] = [];
  for (const part of parts) {
    if (part.kind === 'calibration') {
      if (json !== null) {
        throw contradiction(
          'A calibration cannot be added to data or to another calibration.',
          'Give one calibration, before files of data if there are any.',
        );
      }
      json = part.json;
      continue;
    }
    const progress = onProgress && new StageProgress('calibrate', 1, onProgress);
    const answer: string = await session.request(
      'calibrate',
      { source: part.source, soFar: json ?? '' },
      { signal, onProgress: progress?.of(0) },
    );
    progress?.end();
    const result = JSON.parse(answer) as CalibrateResult;
    json = JSON.stringify(result.calibration);
    problems = result.problems;
    found.push(problems);
  }
  return { json, warnings: dataWarnings(found), problems };
}

export interface CalibrateJob<Source> {
  readonly source: Source;
  readonly modelClass: ModelClass | undefined;
  readonly parts: readonly CalibrationPart<Source>[];
  readonly opening: Opening;
  readonly strict: boolean;
  readonly run: RunOptions;
}

/** A whole `calibrate` call. Takes over the session: it ends here. */
export async function calibrateModel<Source>(
  session: Session<Source, unknown, unknown>,
  { source, modelClass, parts, opening, strict, run }: CalibrateJob<Source>,
): Promise<Calibration> {
  try {
    run.onProgress?.({ stage: 'plan', bytes: 0, totalBytes: 0, tensor: '' });
    const options = openOptions(opening, false, modelClass);
    await session.request('open', { source, options }, { signal: run.signal });
    const calibration = toCalibration(await calibrateWith(session, parts, run));
    gateWarnings(calibration.warnings ?? [], { strict, failUnder: undefined });
    return calibration;
  } finally {
    await session.close();
  }
}

/** The calibration as callers get it, with all that was found. */
function toCalibration({ json, warnings, problems }: Calibrated): Calibration {
  const { modules, ...facts } = JSON.parse(json ?? 'null') as Calibration;
  const all = [...warnings, ...completeWarnings(problems, facts.leftOut)];
  return { ...facts, warnings: all, modules };
}
