/**
 * What a caller may ask for, and the check of it at the public edge.
 * It exists so that the command line, the API and the page check the same things with the same words.
 * Callers without types are caught here: an unknown key or a bad value never reaches the engine.
 */
import type { CalibrationInput } from './calibration.js';
import {
  checkBoolean,
  checkChoice,
  checkFiniteNumber,
  checkObject,
  checkString,
  checkText,
  checkWholeNumber,
  contradiction,
  unexpected,
} from './check.js';
import { configurationOf, copyingConfiguration, openingOf } from './configuration.js';
import { checkChoices, OPEN_KEYS, PLAN_KEYS } from './option-checks.js';
import type { OpenOptions, PlanOptions } from './plan-options.js';
import {
  type Configuration,
  DEQUANTIZED_TYPES,
  type DequantizedType,
  ENGINE_KINDS,
  type EngineKind,
  type Progress,
} from './types.js';

/** How a long call runs. */
export interface RunOptions {
  /** Threads that share the work. By default what the machine offers, at most 4; fewer for small files. */
  readonly threads?: number;
  /**
   * Which engine works. By default, in Node, an `st` engine a thread, each reading and writing for
   * itself; in pages `mt` where it can run and more than one thread is wanted, else `st`.
   */
  readonly engine?: EngineKind;
  /** Ends the call at once and removes what it has written. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface OutputOptions {
  /**
   * Where to write: a file, or a folder (one that is there, or a name that ends in `/`), which gets the weights and
   * all that stands beside those of the model. Without it the result is kept aside until `save`.
   */
  readonly output?: string;
  /** Overwrite an existing output. */
  readonly force?: boolean;
}

export interface ConvertOptions
  extends OpenOptions,
    RunOptions,
    OutputOptions,
    Pick<PlanOptions, 'container' | 'duplicateTies'> {
  /** Treat every warning as an error and write nothing. */
  readonly strict?: boolean;
}

export interface DequantizeOptions extends ConvertOptions {
  /** What codes become: `auto`, the dtype of their scales, by default. */
  readonly dtype?: DequantizedType;
}

/** How files are compared. */
export interface CompareOptions extends OpenOptions, RunOptions {}

export interface ValidateOptions<Source> extends OpenOptions, RunOptions {
  /** The model that the file was made from: `key` and `stripPrefix` are about this one. */
  readonly reference?: Source;
  /** A problem where the SQNR in dB of the weights against the reference is lower. */
  readonly failUnder?: number;
  /** Captured inputs that layers are executed on: one file, no calibration made of it. */
  readonly calibration?: CalibrationInput;
  /** Execute every quantized layer as a runtime would; true by default. */
  readonly run?: boolean;
}

export interface CalibrateOptions extends OpenOptions, RunOptions {
  /** Treat every warning as an error. */
  readonly strict?: boolean;
}

export interface QuantizeOptions extends PlanOptions, OpenOptions, RunOptions, OutputOptions {
  /** Fail with `quality-gate` and write nothing when the model's SQNR in dB is below this. */
  readonly failUnder?: number;
  /** Treat every warning as an error and write nothing. */
  readonly strict?: boolean;
}

/** More than any machine gains from, and few enough for the engine's fixed memory. */
export const MAX_THREADS = 64;

/** More than this wait for the disk most of the time. */
export const MOST_THREADS_BY_DEFAULT = 4;

const RUN_KEYS = [
  'threads',
  'engine',
  'signal',
  'onProgress',
] as const satisfies readonly (keyof RunOptions)[];
const GATE_KEYS = ['failUnder', 'strict'] as const;
const OUTPUT_KEYS = ['output', 'force'] as const;
const CONVERT_KEYS = ['container', 'duplicateTies', 'strict'] as const;

/** Names that PyTorch's own files have. */
const TORCH_NAME = /\.(pt|pth|bin|ckpt)$/i;

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
}

/** Which part of a file: what `open` was asked for. */
export type Opening = Pick<Configuration, 'key' | 'stripPrefix'>;

export function resolvePlan(
  options: PlanOptions,
  opening: Opening,
): Pick<QuantizeRequest, 'configuration' | 'calibration'> {
  const given = checkObject(options, 'options', [...PLAN_KEYS, ...OPEN_KEYS]);
  const choices = checkChoices(given);
  const configuration = configurationOf({ ...opening, ...choices });
  checkOpening(configuration, opening);
  return { configuration, calibration: choices.calibration ?? [] };
}

/** An open model is one part of its file. */
export function checkOpening(asked: Opening, opened: Opening): void {
  for (const key of ['key', 'stripPrefix'] as const) {
    if (asked[key] === opened[key]) continue;
    const [before, now] = [opened[key], asked[key]].map((part) => JSON.stringify(part));
    throw contradiction(
      `The model was opened with ${key}: ${before}, but here ${key} is to be ${now}.`,
      `Open the model with that ${key}, or leave it out here.`,
    );
  }
}

export function resolveOpen(options: OpenOptions & RunOptions): {
  readonly run: RunOptions;
  readonly opening: Opening;
} {
  const given = checkObject(options, 'options', [...RUN_KEYS, ...OPEN_KEYS]);
  return { run: runOf(given), opening: openingOf(given) };
}

export interface CalibrateRequest {
  readonly run: RunOptions;
  readonly opening: Opening;
  readonly strict: boolean;
}

export function resolveCalibrate(options: CalibrateOptions): CalibrateRequest {
  const given = checkObject(options, 'options', [...RUN_KEYS, ...OPEN_KEYS, 'strict']);
  const strict = checkBoolean(given.strict, 'strict') ?? false;
  return { run: runOf(given), opening: openingOf(given), strict };
}

/** The data of a `calibrate` call: at least one file. */
export function resolveData(data: unknown): readonly CalibrationInput[] {
  const { calibration = [] } = checkChoices({ calibration: data }, () => 'data');
  if (calibration.length > 0) return calibration;
  throw unexpected('at least one file', 'data', data);
}

/** The name of a tensor: whether there is one, its file says. */
export function resolveTensor(name: unknown): string {
  const checked = checkString(name, 'tensor');
  if (checked === undefined) throw unexpected('the name of one', 'tensor', name);
  return checked;
}

/** `hasPaths`: whether the host writes to paths, so that `output` and `force` mean something. */
export function resolveQuantize(options: QuantizeOptions, hasPaths: boolean): QuantizeRequest {
  return request(options, [...PLAN_KEYS, ...GATE_KEYS], hasPaths, configurationOf);
}

export function resolveConvert(options: ConvertOptions, hasPaths: boolean): QuantizeRequest {
  // The configuration of an earlier conversion has all keys; without it most of them would be mistakes.
  const repeats = checkObject(options, 'options').bits === 'none';
  const keys = repeats ? [...PLAN_KEYS, ...CONVERT_KEYS] : CONVERT_KEYS;
  return request(options, keys, hasPaths, copyingConfiguration);
}

export function resolveDequantize(options: DequantizeOptions, hasPaths: boolean): QuantizeRequest {
  const { dtype, ...others } = checkObject(options, 'options', [
    'dtype',
    ...CONVERT_KEYS,
    ...OPEN_KEYS,
    ...RUN_KEYS,
    ...(hasPaths ? OUTPUT_KEYS : []),
  ]);
  const dequantize = checkChoice(dtype, 'dtype', DEQUANTIZED_TYPES) ?? 'auto';
  return request(others, CONVERT_KEYS, hasPaths, (given) => ({
    ...copyingConfiguration(given),
    dequantize,
  }));
}

export interface ValidateRequest<Source> {
  readonly run: RunOptions;
  readonly opening: Opening;
  readonly reference: Source | undefined;
  readonly failUnder: number | undefined;
  readonly executes: boolean;
  readonly calibration: readonly CalibrationInput[];
}

export function resolveValidate<Source>(options: ValidateOptions<Source>): ValidateRequest<Source> {
  const keys = ['reference', 'failUnder', 'calibration', 'run', ...RUN_KEYS, ...OPEN_KEYS];
  const given = checkObject(options, 'options', keys);
  const failUnder = checkFiniteNumber(given.failUnder, 'failUnder');
  if (failUnder !== undefined && options.reference === undefined) {
    throw contradiction(
      'failUnder needs a reference: without one there is no SQNR.',
      'Name the model that the file was made from as the reference.',
    );
  }
  const executes = checkBoolean(given.run, 'run') ?? true;
  const { calibration = [] } = checkChoices({ calibration: given.calibration });
  if (!executes && calibration.length > 0) {
    throw contradiction(
      'calibration has no meaning where no layer is executed.',
      'Leave out calibration, or execute layers: run: true.',
    );
  }
  return {
    run: runOf(given),
    opening: openingOf(given),
    reference: options.reference,
    failUnder,
    executes,
    calibration,
  };
}

function request(
  options: object,
  keys: readonly string[],
  hasPaths: boolean,
  configure: (given: Readonly<Record<string, unknown>>) => Configuration,
): QuantizeRequest {
  const pathKeys = hasPaths ? OUTPUT_KEYS : [];
  const given = checkObject(options, 'options', [...keys, ...OPEN_KEYS, ...RUN_KEYS, ...pathKeys]);
  const output = checkText(given.output, 'output');
  const named = output !== undefined && TORCH_NAME.test(output) ? { container: 'pt' } : {};
  return {
    configuration: configure({ ...named, ...given }),
    calibration: checkChoices(given).calibration ?? [],
    run: runOf(given),
    gates: {
      failUnder: checkFiniteNumber(given.failUnder, 'failUnder'),
      strict: checkBoolean(given.strict, 'strict') ?? false,
    },
    output,
    force: checkBoolean(given.force, 'force') ?? false,
  };
}

function runOf(given: Readonly<Record<string, unknown>>): RunOptions {
  const { signal, onProgress } = given;
  const engine = checkChoice(given.engine, 'engine', ENGINE_KINDS);
  const threads = checkWholeNumber(given.threads, 'threads', 1, MAX_THREADS);
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw unexpected('an AbortSignal', 'signal', signal);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw unexpected('a function', 'onProgress', onProgress);
  }
  return {
    ...(threads === undefined ? {} : { threads }),
    ...(engine === undefined ? {} : { engine }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress: onProgress as (progress: Progress) => void }),
  };
}

function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
  );
}
