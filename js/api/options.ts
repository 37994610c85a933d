/**
 * What a caller may ask for, and the check of it at the public edge.
 * It exists so that the command line, the API and the page check the same things with the same words.
 * Callers without types are caught here: an unknown key or a bad value never reaches the engine.
 */
import {
  checkBoolean,
  checkChoice,
  checkFiniteNumber,
  checkObject,
  checkText,
  checkWholeNumber,
  unexpected,
} from './check.js';
import { configurationOf, PLAN_KEYS } from './configuration.js';
import type { PlanOptions } from './plan-options.js';
import { type Configuration, ENGINE_KINDS, type EngineKind, type Progress } from './types.js';

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

export interface QuantizeOptions extends PlanOptions, RunOptions {
  /** Where to write; without it the result is kept aside until `save`. */
  readonly output?: string;
  /** Overwrite an existing output. */
  readonly force?: boolean;
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

/** What a finished quantization must live up to. */
export interface Gates {
  readonly failUnder: number | undefined;
  readonly strict: boolean;
}

/** The options of a `quantize` call, checked and taken apart. */
export interface QuantizeRequest {
  readonly configuration: Configuration;
  readonly run: RunOptions;
  readonly gates: Gates;
  readonly output: string | undefined;
  readonly force: boolean;
}

export function resolveConfiguration(options: PlanOptions = {}): Configuration {
  return configurationOf(checkObject(options, 'options', PLAN_KEYS));
}

export function checkRunOptions(options: RunOptions = {}): RunOptions {
  return runOf(checkObject(options, 'options', RUN_KEYS));
}

/** `hasPaths`: whether the host writes to paths, so that `output` and `force` mean something. */
export function resolveQuantize(options: QuantizeOptions, hasPaths: boolean): QuantizeRequest {
  const keys = [...PLAN_KEYS, ...RUN_KEYS, ...GATE_KEYS, ...(hasPaths ? OUTPUT_KEYS : [])];
  const given = checkObject(options, 'options', keys);
  return {
    configuration: configurationOf(given),
    run: runOf(given),
    gates: {
      failUnder: checkFiniteNumber(given.failUnder, 'failUnder'),
      strict: checkBoolean(given.strict, 'strict') ?? false,
    },
    output: checkText(given.output, 'output'),
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
