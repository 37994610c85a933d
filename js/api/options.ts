/**
 * What a caller may ask for, and the check of it at the public edge.
 * It exists so that the command line, the API and the page check the same things with the same words.
 * Callers without types are caught here: an unknown key or a bad value never reaches the engine.
 */
import type { CalibrationInput } from './calibration.js';
import { checkObject, checkString, contradiction, unexpected } from './check.js';
import { configurationOf, copyingConfiguration, openingOf } from './configuration.js';
import { containerFor } from './gguf-format.js';
import { isPackedName } from './model-files.js';
import {
  CONVERT,
  DEQUANTIZE,
  GATES,
  KEEPING,
  OUTPUT,
  RUN,
  STRICT,
  VALIDATE,
} from './option-table/calls.js';
import { checkOptions, type Inputs } from './option-table/entry.js';
import { OPENING } from './option-table/files.js';
import { type PartChoice, partOf } from './option-table/part.js';
import { CHOICES, OPTIONS } from './option-table/table.js';
import type { Configuration, OpenOptions, PlanOptions } from './plan-options.js';
import { withPreset } from './presets.js';
import type { Container } from './schemes.js';
import { option, say } from './sentence.js';

/** How a long call runs. */
export interface RunOptions extends Inputs<typeof RUN> {}

export interface OutputOptions extends Inputs<typeof OUTPUT> {}

export interface ConvertOptions
  extends OpenOptions,
    RunOptions,
    OutputOptions,
    Inputs<typeof CONVERT> {}

export interface DequantizeOptions extends ConvertOptions, Inputs<typeof DEQUANTIZE> {}

/** How files are compared. */
export interface CompareOptions extends OpenOptions, RunOptions {}

export interface ValidateOptions<Source>
  extends OpenOptions,
    RunOptions,
    Omit<Inputs<typeof VALIDATE>, 'reference'> {
  /** The model that the file was made from: `key` and `stripPrefix` are about this one. */
  readonly reference?: Source;
}

export interface CalibrateOptions extends OpenOptions, RunOptions, Inputs<typeof STRICT> {}

/** In hosts that have paths. */
export interface CalibrateFileOptions extends CalibrateOptions, Inputs<typeof KEEPING> {}

/** What a call of `calibrate` asks for. */
export interface CalibrateRequest {
  readonly run: RunOptions;
  readonly opening: Opening;
  readonly strict: boolean;
  readonly output: string | undefined;
  readonly force: boolean;
  readonly secondMoments: boolean;
  readonly log: string | undefined;
  readonly tensorboard: string | undefined;
}

export interface QuantizeOptions
  extends PlanOptions,
    OpenOptions,
    RunOptions,
    OutputOptions,
    Inputs<typeof GATES> {}

/** How parts of an output are put together. */
export interface MergeOptions
  extends Omit<RunOptions, 'threads' | 'engine'>,
    Inputs<typeof GATES>,
    Pick<OutputOptions, 'force'> {
  /** Where to write the whole: a file that ends in .safetensors, or a folder. */
  readonly output: string | URL;
}

/** More than this wait for the disk most of the time. */
export const MOST_THREADS_BY_DEFAULT = 4;

/** The kind of file that the name of an output asks for; undefined where it asks for none. */
export function containerOf(output: string): Container | undefined {
  const ending = /\.(safetensors|pt|pth|bin|ckpt|gguf)(\.zst)?$/i.exec(output)?.[1]?.toLowerCase();
  if (ending === undefined) return undefined;
  return ending === 'safetensors' || ending === 'gguf' ? ending : 'pt';
}

/** Where the time goes and what it saves balance; that of `zstd` itself. */
export const ZSTD_LEVEL = 3;

/** What a finished quantization must live up to. */
export interface Gates {
  readonly failUnder: number | undefined;
  readonly strict: boolean;
}

/** The options of a `quantize` call, checked and taken apart. */
export interface QuantizeRequest {
  readonly configuration: Configuration;
  readonly calibration: readonly CalibrationInput[];
  readonly run: RunOptions;
  readonly gates: Gates;
  readonly output: string | undefined;
  readonly force: boolean;
  readonly resumes: boolean;
  readonly part: PartChoice | undefined;
  readonly log: string | undefined;
  readonly tensorboard: string | undefined;
}

/** Which part of a file: what `open` was asked for. */
export type Opening = Pick<Configuration, 'key' | 'stripPrefix'>;

export function resolvePlan(
  options: PlanOptions,
  opening: Opening,
): Pick<QuantizeRequest, 'configuration' | 'calibration'> {
  const given = keysOf(options, OPTIONS);
  const configuration = configurationOf({ ...opening, ...given });
  checkOpening(configuration, opening);
  return { configuration, calibration: calibrationOf(given) };
}

/** An open model is one part of its file. */
export function checkOpening(asked: Opening, opened: Opening): void {
  for (const key of ['key', 'stripPrefix'] as const) {
    if (asked[key] === opened[key]) continue;
    throw contradiction(
      say`The model was opened with ${option(key, opened[key])}, but this call is to have ${option(key, asked[key])}.`,
      say`Open the model with that ${option(key)}, or leave it out here.`,
    );
  }
}

export function resolveOpen(options: OpenOptions & RunOptions): {
  readonly run: RunOptions;
  readonly opening: Opening;
} {
  return openingFor(keysOf(options, RUN, OPENING));
}

/** What the options of a call say about opening its model. The call itself checks the others. */
export function openingFor(options: object): {
  readonly run: RunOptions;
  readonly opening: Opening;
} {
  const given = checkObject(options, 'options');
  return { run: checkOptions(RUN, given), opening: openingOf(given) };
}

export function resolveCalibrate(options: CalibrateOptions, hasPaths: boolean): CalibrateRequest {
  const given = keysOf(options, RUN, OPENING, STRICT, hasPaths ? KEEPING : {});
  const { strict = false } = checkOptions(STRICT, given);
  const { output, force = false, secondMoments = false, ...kept } = checkOptions(KEEPING, given);
  if (output !== undefined && !/\.(json|safetensors)$/i.test(output)) {
    throw contradiction(
      say`A calibration is kept as .json or .safetensors, but ${option('output')} names another file: "${output}".`,
      'Name a file such as "calibration.json" or "statistics.safetensors".',
    );
  }
  if (secondMoments && !keepsStatistics(output)) {
    throw contradiction(
      say`${option('secondMoments')} needs a .safetensors file to keep them in.`,
      say`Name one: ${option('output', 'statistics.safetensors')}.`,
    );
  }
  return {
    run: checkOptions(RUN, given),
    opening: openingOf(given),
    strict,
    output,
    force,
    secondMoments,
    log: kept.log,
    tensorboard: kept.tensorboard,
  };
}

/** Whether a calibration of this name is a file of statistics. */
export function keepsStatistics(output: string | undefined): boolean {
  return output !== undefined && /\.safetensors$/i.test(output);
}

/** The data of a `calibrate` call: at least one file. */
export function resolveData(data: unknown): readonly CalibrationInput[] {
  const { calibration = [] } = checkOptions(CHOICES, { calibration: data }, () => 'data');
  if (calibration.length > 0) return calibration;
  throw unexpected('at least one file', 'data', data);
}

/** The data that a call names, before all else about it is checked. */
export function calibrationIn(options: object): readonly CalibrationInput[] {
  const { calibration: entry } = CHOICES;
  return (
    checkOptions({ calibration: entry }, { ...checkObject(options, 'options') }).calibration ?? []
  );
}

/** The name of a tensor: whether there is one, its file says. */
export function resolveTensor(name: unknown): string {
  const checked = checkString(name, 'tensor');
  if (checked === undefined) throw unexpected('the name of one', 'tensor', name);
  return checked;
}

/** `hasPaths`: whether the host writes to paths, so that `output` and `force` mean something. */
export function resolveQuantize(options: QuantizeOptions, hasPaths: boolean): QuantizeRequest {
  return request(keysOf(options, CHOICES, GATES, ...EVERY, paths(hasPaths)), configurationOf);
}

export function resolveConvert(options: ConvertOptions, hasPaths: boolean): QuantizeRequest {
  // The configuration of an earlier conversion has all keys; without it most of them would be mistakes.
  const repeats = checkObject(options, 'options').bits === 'none';
  const given = keysOf(options, repeats ? CHOICES : {}, CONVERT, ...EVERY, paths(hasPaths));
  return request(given, copyingConfiguration);
}

export function resolveDequantize(options: DequantizeOptions, hasPaths: boolean): QuantizeRequest {
  const given = keysOf(options, DEQUANTIZE, CONVERT, ...EVERY, paths(hasPaths));
  const { dtype: dequantize = 'auto' } = checkOptions(DEQUANTIZE, given);
  return request(given, (choices) => ({ ...copyingConfiguration(choices), dequantize }));
}

export function resolveMerge(
  options: MergeOptions,
): Pick<QuantizeRequest, 'force' | 'gates' | 'run'> & { readonly output: string } {
  const { output: outputEntry, force: forceEntry } = OUTPUT;
  const { signal: signalEntry, onProgress: progressEntry } = RUN;
  const place = { output: outputEntry, force: forceEntry };
  const how = { signal: signalEntry, onProgress: progressEntry };
  const given = keysOf(options, place, how, GATES);
  const { output, force = false } = checkOptions(place, given);
  const { failUnder, strict = false } = checkOptions(GATES, given);
  if (output === undefined) throw unexpected('a file or a folder', 'output', output);
  if (isOther(containerOf(output)) || isPackedName(output)) {
    throw contradiction(
      say`Parts are merged into .safetensors files only, but ${option('output')} asks for another one: "${output}".`,
      'Merge them into one, and convert that.',
    );
  }
  return { output, force, gates: { failUnder, strict }, run: checkOptions(how, given) };
}

export function resolveValidate<Source>(options: ValidateOptions<Source>): {
  readonly run: RunOptions;
  readonly opening: Opening;
  readonly reference: Source | undefined;
  readonly failUnder: number | undefined;
  readonly executes: boolean;
  readonly calibration: readonly CalibrationInput[];
} {
  const given = keysOf(options, VALIDATE, ...EVERY);
  const { failUnder, run: executes = true, calibration = [] } = checkOptions(VALIDATE, given);
  if (failUnder !== undefined && options.reference === undefined) {
    throw contradiction(
      say`${option('failUnder')} needs a reference: without one there is no SQNR.`,
      say`Name the model that the file was made from: ${option('reference')}.`,
    );
  }
  if (!executes && calibration.length > 0) {
    throw contradiction(
      say`${option('calibration')} has no meaning with ${option('run', false)}: no layer is executed.`,
      'Leave out one of the two.',
    );
  }
  return {
    run: checkOptions(RUN, given),
    opening: openingOf(given),
    reference: options.reference,
    failUnder,
    executes,
    calibration,
  };
}

/** Options of every call that reads a model for long. */
export const EVERY = [OPENING, RUN] as const;

function paths(hasPaths: boolean): object {
  return hasPaths ? OUTPUT : {};
}

type Given = Readonly<Record<string, unknown>>;

/** `options` as an object without other keys than those of `tables`, presets spelled out. */
export function keysOf(options: object, ...tables: readonly object[]): Given {
  const keys = new Set(tables.flatMap((table) => Object.keys(table)));
  return withPreset(checkObject(options, 'options', [...keys]));
}

function calibrationOf(given: Given): readonly CalibrationInput[] {
  return checkOptions(OPTIONS, given).calibration ?? [];
}

function request(given: Given, configure: (given: Given) => Configuration): QuantizeRequest {
  const { output, force = false, resume: resumes = false, ...other } = checkOptions(OUTPUT, given);
  const part = other.part === undefined ? undefined : partOf(other.part);
  const { log, tensorboard } = other;
  const { failUnder, strict = false } = checkOptions(GATES, given);
  checkContinued(given, { output, resumes, part });
  const container = output === undefined ? undefined : containerOf(output);
  return {
    // The name of a file says what kind it is, whatever a configuration says.
    configuration: configure({
      ...given,
      ...(container && { container }),
      zstdLevel: zstdLevelOf(given, output),
    }),
    calibration: calibrationOf(given),
    run: checkOptions(RUN, given),
    gates: { failUnder, strict },
    output,
    force,
    resumes,
    part,
    log,
    tensorboard,
  };
}

/** What is left of a run, and what is made of a part, has to have a place that can be found again. */
function checkContinued(
  given: Given,
  { output, resumes, part }: Pick<QuantizeRequest, 'output' | 'resumes' | 'part'>,
): void {
  const named = part === undefined ? (resumes ? 'resume' : undefined) : 'part';
  if (named !== undefined && output === undefined) {
    throw contradiction(
      say`${option(named)} has no meaning without ${option('output')}.`,
      say`Name the place of the whole output: ${option('output')}.`,
    );
  }
  if (part === undefined || output === undefined) return;
  if (isOther(containerOf(output)) || isOther(containerFor(given)) || isPackedName(output)) {
    throw contradiction(
      say`Parts are made of .safetensors files only, but ${option('output')} asks for another one.`,
      'Make and merge the parts of a .safetensors file, and convert that.',
    );
  }
  const gate = given.failUnder === undefined ? undefined : 'failUnder';
  if (gate === undefined) return;
  throw contradiction(
    say`${option(gate)} cannot be told of a part: some of its tensors go on in the next one.`,
    say`Give ${option(gate)} where the parts are merged.`,
  );
}

/** Than the kind of file that parts are made of. */
function isOther(container: Container | undefined): boolean {
  return container !== undefined && container !== 'safetensors';
}

/** The name of a file says whether it is compressed, too; one that has no name yet is what the option says. */
function zstdLevelOf(given: Given, output: string | undefined): number | null {
  const { zstdLevel = null } = checkOptions(CONVERT, given);
  if (output === undefined) return zstdLevel;
  if (isPackedName(output)) return zstdLevel ?? ZSTD_LEVEL;
  if (zstdLevel === null) return null;
  throw contradiction(
    say`${option('zstdLevel', zstdLevel)} compresses the output, but its name "${output}" does not end in .zst.`,
    say`Name a file such as "model.safetensors.zst", or leave out ${option('zstdLevel')}: what loads a folder reads no compressed files.`,
  );
}
