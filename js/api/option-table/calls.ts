/**
 * The options of calls: how they run, what they must live up to, where they write.
 */
import { OBJECTIVES, type SearchProgress } from '../front.js';
import { DEQUANTIZED_TYPES } from '../schemes.js';
import { ENGINE_KINDS, type Progress } from '../types.js';
import { ACTIVATIONS } from './activations.js';
import type { Entries } from './entry.js';
import { FILES } from './files.js';
import { choice, choices, type Kind, number, object, onOrOff, text, wholeNumber } from './kind.js';
import { part } from './part.js';

/** More than any machine gains from, and few enough for the engine's fixed memory. */
const MAX_THREADS = 64;

/** How a long call runs. */
export const RUN = {
  /** Threads that share the work. By default what the machine offers, at most 4; fewer for small files. */
  threads: {
    kind: wholeNumber(1, MAX_THREADS),
    flag: { value: 'N', help: 'default: up to 4' },
  },
  /**
   * Which engine works. By default, in Node, an `st` engine a thread, each reading and writing for
   * itself; in pages `mt` where it can run and more than one thread is wanted, else `st`.
   */
  engine: { kind: choice(ENGINE_KINDS) },
  /** Ends the call at once and removes what it has written. */
  signal: { kind: object<AbortSignal>('an AbortSignal', isAbortSignal) },
  onProgress: {
    kind: object<(progress: Progress) => void>(
      'a function',
      (value) => typeof value === 'function',
    ),
  },
} as const satisfies Entries;

/** URLs leave the check as text, for the host to read. */
const place: Kind<string, string | URL> = {
  form: text.form,
  check: (value, key) => text.check(value instanceof URL ? value.href : value, key),
};

export const OUTPUT = {
  /**
   * Where to write, a path or a file: URL: a file, whose ending says of which kind (.safetensors, .pt, .pth, .bin,
   * .ckpt, and .zst behind it for one that is compressed), or a folder (one that is there, a name that ends in `/`, or any name if the model is a folder), which gets
   * the weights and all that stands beside those of the model. Without it the result is kept aside until `save`.
   */
  output: { kind: place, flag: { short: 'o', value: 'FILE', help: 'where to write it' } },
  /** Overwrite an existing output, file by file; what else is in its folder is never removed. */
  force: { kind: onOrOff, flag: { help: 'overwrite what it writes', brief: 'overwrite' } },
  /**
   * Go on with an interrupted run of the same model and options for this output: what it has written is compared and
   * kept. If there is none, begin. And leave what is done in its place if this run is interrupted.
   */
  resume: {
    kind: onOrOff,
    flag: { help: 'go on with an interrupted run', brief: 'go on with a run' },
  },
  /**
   * Make only one of several parts of the output, `2/5`, as `FILE.part-2-of-5`; another machine makes the others, and
   * `merge` makes the output of all of them.
   */
  part: {
    kind: part,
    flag: { value: 'I/N', help: 'make the Ith of N parts only', brief: 'one of N parts' },
  },
  /** A folder, a path or a file: URL, whose `runs.jsonl` gets a line about the run, also if it fails. */
  log: {
    kind: place,
    flag: {
      value: '[DIR]',
      alone: 'monoquant-runs',
      variable: 'MONOQUANT_LOG',
      help: 'add a line about the run to a log',
      brief: 'keep a log of it',
    },
  },
  /** A folder, a path or a file: URL, that gets a file of events about the run for TensorBoard. */
  tensorboard: {
    kind: place,
    flag: { value: 'DIR', help: 'a file of events for TensorBoard', brief: 'events of it' },
  },
} as const satisfies Entries;

/** Where a calibration is kept. */
export const KEEPING = {
  /**
   * Where to keep it, a path or a file: URL: `.json` has all that is known, `.safetensors` has statistics that other
   * programs can make, too.
   */
  output: {
    kind: place,
    flag: { short: 'o', value: 'FILE', help: 'default: MODEL_calibration.json' },
  },
  force: OUTPUT.force,
  log: OUTPUT.log,
  tensorboard: OUTPUT.tensorboard,
  /** Keep how the inputs of each layer move together, too, for the method gptq. Needs a .safetensors file. */
  secondMoments: {
    kind: onOrOff,
    flag: { help: 'what gptq needs, in a .safetensors', brief: 'what gptq needs' },
  },
} as const satisfies Entries;

export const STRICT = {
  /** Treat every warning as an error and write nothing. */
  strict: {
    kind: onOrOff,
    flag: { help: 'write nothing if there is a warning', brief: 'fail if it warns' },
  },
} as const satisfies Entries;

export const FAIL_UNDER = {
  /** Fail, and write nothing, if the SQNR in dB of any tensor is lower, or if one that should have one has none. */
  failUnder: {
    kind: number(),
    flag: { value: 'DB', help: 'exit with 4 if a tensor has less SQNR', brief: 'SQNR of each' },
  },
} as const satisfies Entries;

/** What a finished quantization must live up to. */
export const GATES = { ...FAIL_UNDER, ...STRICT } as const;

/** Beside those of opening, running and writing. */
export const CONVERT = {
  container: FILES.container,
  zstdLevel: FILES.zstdLevel,
  maxShardSize: FILES.maxShardSize,
  duplicateTies: FILES.duplicateTies,
  ...STRICT,
} as const;

export const DEQUANTIZE = {
  /** What codes become: `auto`, the dtype of the weights that they were made of, by default. */
  dtype: {
    kind: choice(DEQUANTIZED_TYPES),
    flag: { help: 'of the values; default: the original' },
  },
} as const satisfies Entries;

export const VALIDATE = {
  /** The model that the file was made from: `key` and `stripPrefix` are about this one. */
  reference: {
    // What a model may be is for the host.
    kind: object<never>('a model', () => true),
    flag: {
      short: 'r',
      value: 'FILE',
      help: 'the model that it was made from',
      form: { kind: 'text' },
    },
  },
  /** Captured inputs that layers are executed on: one file, no calibration made of it. */
  calibration: {
    kind: ACTIVATIONS.calibration.kind,
    flag: {
      short: 'c',
      value: 'FILE',
      help: 'inputs to execute layers on',
      form: { kind: 'text' },
    },
  },
  /** Execute every quantized layer as a runtime would; true by default. */
  run: {
    kind: onOrOff,
    flag: { name: 'no-run', negated: true, help: 'do not execute the layers' },
  },
  ...FAIL_UNDER,
} as const satisfies Entries;

const MOST_ROUNDS = 100;
/** Of 32 bits, as the numbers that are drawn. */
const MOST_SEED = 2 ** 32 - 1;

export const BENCHMARK = {
  /** For every configuration that quantizes: captured inputs of layers, or a calibration made of them. */
  calibration: {
    kind: ACTIVATIONS.calibration.kind,
    flag: { short: 'c', value: 'FILE', help: 'captured inputs, or a calibration' },
  },
  /** Captured inputs to execute layers on: one file. By default that of the calibration, if it is one of inputs. */
  inputs: {
    kind: ACTIVATIONS.calibration.kind,
    flag: { value: 'FILE', help: 'others to measure outputs on', form: { kind: 'text' } },
  },
  /** How often each is encoded, in turns; times are medians. 1 by default. */
  rounds: {
    kind: wholeNumber(1, MOST_ROUNDS),
    flag: { value: 'N', help: 'encode each N times; times are medians' },
  },
  /** Of the samples that intervals are made of; 0 by default. */
  seed: {
    kind: wholeNumber(0, MOST_SEED),
    flag: { value: 'N', help: 'of the samples of intervals; default: 0' },
  },
} as const satisfies Entries;

export const SENSITIVITY = {
  /** Look at about so many values of each tensor, spread over it; all by default. */
  sample: {
    kind: wholeNumber(1),
    flag: { value: 'N', help: 'look at N weights of each tensor only' },
  },
} as const satisfies Entries;

const MOST_POPULATION = 100_000;
const MOST_GENERATIONS = 1_000_000;

export const SEARCH = {
  /** What points are compared by: the first two by default. `time` needs a table that has times. */
  objectives: {
    kind: choices(OBJECTIVES),
    flag: { value: 'LIST', help: 'error,worst,bytes; default: two' },
  },
  /** Choices in each generation; 200 by default. */
  population: {
    kind: wholeNumber(4, MOST_POPULATION),
    flag: { value: 'N', help: 'choices in each generation; default: 200' },
  },
  /** 100 by default. */
  generations: {
    kind: wholeNumber(0, MOST_GENERATIONS),
    flag: { value: 'N', help: 'default: 100' },
  },
  /** Of the random numbers; 0 by default. One seed is one front. */
  seed: {
    kind: wholeNumber(0, Number.MAX_SAFE_INTEGER),
    flag: { value: 'N', help: 'of its random numbers; default: 0' },
  },
  /** Look at about so many values of each tensor; 262,144 by default. */
  sample: {
    kind: SENSITIVITY.sample.kind,
    flag: { value: 'N', help: 'look at N weights of each tensor only' },
  },
  /** Encode the points that are shown, to see what they really lose; true by default. */
  measure: {
    kind: onOrOff,
    flag: { name: 'no-measure', negated: true, help: 'do not encode the points shown' },
  },
  /** Is told of every generation. */
  onGeneration: {
    kind: object<(progress: SearchProgress) => void>(
      'a function',
      (value) => typeof value === 'function',
    ),
  },
} as const satisfies Entries;

function isAbortSignal(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
  );
}
