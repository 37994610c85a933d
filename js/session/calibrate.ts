/**
 * Calibrating a model that is open in a worker. The calibration stays there; each file of captured inputs is added
 * to it.
 */
import type { Calibration } from '../api/calibration.js';
import { contradiction } from '../api/check.js';
import { pickleWarnings } from '../api/file-warnings.js';
import { type Json, parseJson, toJson } from '../api/json.js';
import type { RunOptions } from '../api/options.js';
import { type OptionToken, option, say } from '../api/sentence.js';
import type { Configuration, Quantization, Warning } from '../api/types.js';
import type { DataProblems, OpenOptions } from '../engine/wasm.js';
import { completeWarnings, dataWarnings } from '../report/data-warnings.js';
import { type RemoteFile, withFile } from './session.js';
import { withStage } from './stage-progress.js';

/** What a host made of a CalibrationInput. */
export type CalibrationPart<Source> =
  | { readonly kind: 'calibration'; readonly document: Calibration | Json<Calibration> }
  | {
      readonly kind: 'data';
      readonly source: Source;
      /** Of the file, without the way to it. */
      readonly name?: string;
    };

/** Parts whose files are open until `close`. */
export interface OpenedCalibration<Source> {
  readonly parts: readonly CalibrationPart<Source>[];
  /** Throws if a file was changed while it was read. */
  checkUnchanged(): void | Promise<void>;
  close(): void;
}

/** All of a file of captured inputs is data: no part of it is a state dict. */
export const AS_DATA: OpenOptions = { key: '', acceptsArrays: true };

export interface Calibrated {
  /** About data that fit no layer, which only reading them shows, and about their pickles. */
  readonly warnings: readonly Warning[];
  /** Of the last file, which knows about all of them. */
  readonly problems: DataProblems | undefined;
}

/**
 * From now on the model's plans use these. A calibration that they use already is not sent again. `asGiven`: to become
 * another calibration, which says what the data had.
 */
export async function calibrateWith<Source>(
  model: RemoteFile<Source, unknown, unknown>,
  parts: readonly CalibrationPart<Source>[],
  run: RunOptions,
  { asGiven = false } = {},
): Promise<Calibrated> {
  const [first, ...others] = parts;
  const given = first?.kind === 'calibration' ? first.document : null;
  if (given !== model.calibration) {
    const json = given === null ? null : (asGiven ? asJson : withoutData)(given);
    await model.request('setCalibration', json, { signal: run.signal });
    model.calibration = asGiven && given !== null ? undefined : given;
  }
  const found: DataProblems[] = [];
  const pickles: Warning[] = [];
  for (const part of given === null ? parts : others) {
    if (part.kind === 'calibration') {
      throw contradiction(
        'A calibration cannot be added to data or to another calibration.',
        'Give one calibration, before files of data if there are any.',
      );
    }
    model.calibration = undefined;
    const { problems, warnings } = await addData(model, part, run);
    found.push(problems);
    pickles.push(...warnings);
  }
  return { warnings: [...pickles, ...dataWarnings(found)], problems: found.at(-1) };
}

function addData<Source>(
  model: RemoteFile<Source, unknown, unknown>,
  { source, name }: { readonly source: Source; readonly name?: string },
  run: RunOptions,
): Promise<{ problems: DataProblems; warnings: readonly Warning[] }> {
  return withFile(model.session, source, AS_DATA, run.signal, async (file) => {
    const catalog = parseJson(await file.request('catalog', null, { signal: run.signal }));
    const problems = await withStage('calibrate', run, (controls) =>
      model.request('calibrate', { data: file.number, ...(name && { name }) }, controls),
    );
    return {
      problems: parseJson(problems),
      warnings: pickleWarnings(catalog, 'of the captured inputs'),
    };
  });
}

/**
 * The captured inputs themselves, in their order, if there are layers whose method needs them; none otherwise. Throws if
 * the method was asked for and there is a calibration that stands for inputs.
 */
export function inputsFor<Source>(
  { method, overrides }: Pick<Configuration, 'method' | 'overrides'>,
  tensors: readonly { readonly quantization?: Pick<Quantization, 'method'> }[],
  parts: readonly CalibrationPart<Source>[],
): readonly Source[] {
  if ([method, ...overrides.map((override) => override.method)].includes('gptq')) {
    return sourcesOf(parts, 'The method gptq');
  }
  if (!tensors.some(({ quantization }) => quantization?.method === 'gptq')) return [];
  return parts.flatMap((part) => (part.kind === 'data' ? [part.source] : []));
}

/** Where a calibration is kept, from its claim on: a file that is whole or absent. */
export interface CalibrationPlace<Sink> {
  /** Where statistics are written, if the name asks for them; else it takes the document. */
  readonly sink: Sink | undefined;
  readonly takesSecondMoments: boolean;
  fill(document: Calibration): void;
  publish(): Promise<void>;
  /** Leaves nothing behind but what was published. */
  discard(): void;
}

/** Writes what the model's plans use as statistics. Second moments are made of the data themselves. */
export function writeStatistics<Source, Sink, Output>(
  model: RemoteFile<Source, Sink, Output>,
  parts: readonly CalibrationPart<Source>[],
  { sink, secondMoments }: { readonly sink: Sink; readonly secondMoments: boolean },
  run: RunOptions,
): Promise<Output> {
  const write = (data: readonly number[]) =>
    withStage('calibrate', run, (controls) =>
      model.request('writeStatistics', { data, secondMoments, sink }, controls),
    );
  if (!secondMoments) return write([]);
  const sources = sourcesOf(parts, option('secondMoments'));
  const opened: number[] = [];
  const openRest = (index: number): Promise<Output> => {
    const source = sources[index];
    if (source === undefined) return write(opened);
    return withFile(model.session, source, AS_DATA, run.signal, ({ number }) => {
      opened.push(number);
      return openRest(index + 1);
    });
  };
  return openRest(0);
}

/**
 * A calibration as somebody gives it: the data that it tells of are not there, and second moments cannot be made of it.
 * What is no calibration stays as it is, for the engine to refuse.
 */
function withoutData(document: Calibration | Json<Calibration>): Json<Calibration> {
  const json = asJson(document);
  try {
    const { modules, ...facts } = parseJson(json);
    const lacking = Object.entries(modules).map(([name, module]) => {
      const lacks = (module.lacks ?? []).filter((lack) => lack !== 'outer');
      return [name, { ...module, lacks: [...lacks, 'outer' as const] }] as const;
    });
    return toJson({ ...facts, modules: Object.fromEntries(lacking) });
  } catch {
    return json;
  }
}

function sourcesOf<Source>(
  parts: readonly CalibrationPart<Source>[],
  who: string | OptionToken,
): readonly Source[] {
  return parts.map((part) => {
    if (part.kind === 'data') return part.source;
    throw contradiction(
      say`${who} needs captured inputs or second moments of them; a calibration in JSON has neither.`,
      say`Give the files of captured inputs themselves, or statistics that were made with ${option('secondMoments')}.`,
    );
  });
}

/** What the model's plans use. */
export async function calibrationOf<Source>(
  model: RemoteFile<Source, unknown, unknown>,
  signal: AbortSignal | undefined,
): Promise<Json<Calibration> | null> {
  return model.calibration === null ? null : model.request('calibration', null, { signal });
}

function asJson(document: Calibration | Json<Calibration>): Json<Calibration> {
  return typeof document === 'string' ? document : toJson(document);
}

/** The calibration as callers get it, with all that was found. */
export function asDocument(
  json: Json<Calibration>,
  { warnings, problems }: Calibrated,
): Calibration {
  const { modules, ...facts } = parseJson(json);
  const all = [...warnings, ...completeWarnings(problems, facts.leftOut)];
  return { ...facts, warnings: all, modules };
}
