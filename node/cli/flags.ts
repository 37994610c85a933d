/**
 * The flags of every command, with their words for the help.
 * Those of options come from the table of options, in its order: a new option needs nothing here.
 * Help texts are at most 38 columns wide, 18 in sections of two columns: help stays on one screen.
 */
import {
  BENCHMARK,
  CONVERT,
  DEQUANTIZE,
  FAIL_UNDER,
  GATES,
  KEEPING,
  OUTPUT,
  RUN,
  SEARCH,
  SENSITIVITY,
  STRICT,
  VALIDATE,
} from '../../js/api/option-table/calls.js';
import { OPENING } from '../../js/api/option-table/files.js';
import { SECTIONS } from '../../js/api/option-table/table.js';
import { type Flag, type FlagOf, type FlagSection, flagsOf } from './flag.js';

const HELP = { kind: 'switch', name: 'help', short: 'h', help: 'show this help' } as const;
const MODEL = {
  kind: 'text',
  name: 'model',
  short: 'm',
  value: 'FILE',
  help: 'the model, instead of as an argument',
  brief: 'or as an argument',
} as const;
const CONFIG = {
  kind: 'text',
  name: 'config',
  value: 'FILE',
  help: 'choices as JSON, or an earlier report',
  brief: 'choices, a report',
} as const;
const REPORT = {
  kind: 'texts',
  name: 'report',
  value: 'FILE',
  help: 'the report as .json, .md or .html (repeatable)',
  brief: '.json, .md, .html',
} as const;
const DRY_RUN = { kind: 'switch', name: 'dry-run', help: 'show the plan' } as const;
const JSON_DOCUMENT = {
  kind: 'switch',
  name: 'json',
  help: 'print it as one JSON document',
  brief: 'the report as JSON',
} as const;
const VERBOSE = {
  kind: 'switch',
  name: 'verbose',
  short: 'v',
  help: 'all of it, however long',
  brief: 'every tensor',
} as const;
const QUIET = {
  kind: 'switch',
  name: 'quiet',
  short: 'q',
  help: "only warnings and the output's path",
  brief: 'print the path',
} as const;
const THREADS = { threads: RUN.threads } as const;
const FORCE = { force: OUTPUT.force } as const;
const OUTPUT_FILE = { output: OUTPUT.output } as const;
const LOG = { log: OUTPUT.log } as const;
const RECORDS = { ...LOG, tensorboard: OUTPUT.tensorboard } as const;
const CONTINUED = { resume: OUTPUT.resume, part: OUTPUT.part } as const;
const FILES = {
  duplicateTies: CONVERT.duplicateTies,
  maxShardSize: CONVERT.maxShardSize,
} as const;
const ZSTD = { zstdLevel: CONVERT.zstdLevel } as const;

/** What runs of each command are told besides what a file becomes: by flags, or by the file of --config. */
export const QUANTIZE_RUN = {
  ...OUTPUT_FILE,
  ...GATES,
  ...FORCE,
  ...CONTINUED,
  ...THREADS,
  ...RECORDS,
} as const;
export const CONVERT_RUN = {
  ...OUTPUT_FILE,
  ...FORCE,
  ...CONTINUED,
  ...RECORDS,
  ...STRICT,
} as const;
export const DEQUANTIZE_RUN = { ...DEQUANTIZE, ...CONVERT_RUN } as const;

function oneSection<const Flags extends readonly Flag[]>(flags: Flags) {
  return [{ title: 'Flags', flags }] as const;
}

/** What `monoquant` itself takes, before any command. */
export const GLOBAL_FLAGS = oneSection([
  HELP,
  { kind: 'switch', name: 'version', help: 'show the version' },
]);

export const COMPLETION_FLAGS = oneSection([HELP]);
export type CompletionFlag = FlagOf<typeof COMPLETION_FLAGS>;

export const HELP_FLAGS = oneSection([
  { kind: 'switch', name: 'man', help: 'all of it as a manual page' },
  HELP,
]);
export type HelpFlag = FlagOf<typeof HELP_FLAGS>;

export const QUANTIZE_FLAGS = [
  { title: 'How to quantize', flags: flagsOf(SECTIONS.how) },
  {
    title: 'Activations (-c takes captured inputs of layers, or a calibration)',
    columns: 2,
    flags: flagsOf(SECTIONS.activations),
  },
  { title: 'What to quantize', flags: flagsOf(SECTIONS.what) },
  {
    title: 'Files and results',
    columns: 2,
    flags: [
      MODEL,
      ...flagsOf({ ...OUTPUT_FILE, ...SECTIONS.files, ...QUANTIZE_RUN }),
      CONFIG,
      REPORT,
      DRY_RUN,
      JSON_DOCUMENT,
      { ...VERBOSE, excludes: 'quiet' },
      QUIET,
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type QuantizeFlag = FlagOf<typeof QUANTIZE_FLAGS>;

export const CALIBRATE_FLAGS = oneSection([
  ...flagsOf({ ...KEEPING, ...OPENING, ...STRICT }),
  { ...JSON_DOCUMENT, help: 'print the calibration as well' },
  QUIET,
  HELP,
]);
export type CalibrateFlag = FlagOf<typeof CALIBRATE_FLAGS>;

export const CONVERT_FLAGS = oneSection([
  ...flagsOf({
    ...OUTPUT_FILE,
    ...ZSTD,
    ...FORCE,
    ...CONTINUED,
    ...RECORDS,
    ...OPENING,
    ...FILES,
    ...STRICT,
  }),
  CONFIG,
  { ...JSON_DOCUMENT, help: 'print the report as one JSON document' },
  QUIET,
  HELP,
]);
export type ConvertFlag = FlagOf<typeof CONVERT_FLAGS>;

export const DEQUANTIZE_FLAGS = oneSection([...flagsOf(DEQUANTIZE), ...CONVERT_FLAGS[0].flags]);
export type DequantizeFlag = FlagOf<typeof DEQUANTIZE_FLAGS>;

export const MERGE_FLAGS = oneSection([
  ...flagsOf({ ...OUTPUT_FILE, ...FORCE, ...GATES }),
  REPORT,
  { ...JSON_DOCUMENT, help: 'print the report as one JSON document' },
  { ...VERBOSE, excludes: 'quiet' },
  QUIET,
  HELP,
]);
export type MergeFlag = FlagOf<typeof MERGE_FLAGS>;

/** Of commands that write nothing. */
const STRICT_GATE = flagsOf(STRICT).map((flag) => ({
  ...flag,
  help: 'exit with 4 if there is a warning',
}));

export const COMPARE_FLAGS = oneSection([
  ...flagsOf({ ...OPENING, ...FAIL_UNDER }),
  ...STRICT_GATE,
  JSON_DOCUMENT,
  VERBOSE,
  HELP,
]);
export type CompareFlag = FlagOf<typeof COMPARE_FLAGS>;

export const VALIDATE_FLAGS = oneSection([
  MODEL,
  ...flagsOf({ ...VALIDATE, ...OPENING }),
  ...STRICT_GATE,
  JSON_DOCUMENT,
  VERBOSE,
  HELP,
]);
export type ValidateFlag = FlagOf<typeof VALIDATE_FLAGS>;

export const BENCHMARK_FLAGS = oneSection([
  ...flagsOf({ ...BENCHMARK, ...THREADS, ...OPENING }),
  REPORT,
  ...flagsOf({ ...FORCE, ...LOG }),
  JSON_DOCUMENT,
  { ...VERBOSE, help: 'every tensor' },
  HELP,
]);
export type BenchmarkFlag = FlagOf<typeof BENCHMARK_FLAGS>;

const { calibration, ...whatIsMeasured } = {
  calibration: SECTIONS.activations.calibration,
  format: SECTIONS.files.format,
  groupSize: SECTIONS.how.groupSize,
  scheme: SECTIONS.how.scheme,
  method: SECTIONS.how.method,
  layers: SECTIONS.what.layers,
  ignore: SECTIONS.what.ignore,
};

export const SENSITIVITY_FLAGS = oneSection([
  ...flagsOf({ calibration, ...SENSITIVITY, ...whatIsMeasured, ...THREADS, ...OPENING }),
  { ...REPORT, help: '.json, .md or .html (repeatable)' },
  ...flagsOf(FORCE),
  JSON_DOCUMENT,
  { ...VERBOSE, help: 'every tensor' },
  HELP,
]);
export type SensitivityFlag = FlagOf<typeof SENSITIVITY_FLAGS>;

const PRIOR = { prior: SECTIONS.how.prior };

export const SEARCH_FLAGS = oneSection([
  ...flagsOf({ calibration, ...SEARCH, ...PRIOR, ...whatIsMeasured, ...THREADS, ...OPENING }),
  {
    kind: 'texts',
    name: 'output',
    short: 'o',
    value: 'FILE',
    help: 'as .json, .md, .html (repeatable)',
  },
  ...flagsOf(FORCE),
  JSON_DOCUMENT,
  HELP,
]);
export type SearchFlag = FlagOf<typeof SEARCH_FLAGS>;

export const RUNS_FLAGS = oneSection([
  ...flagsOf(LOG).map((flag) => ({ ...flag, help: 'where the log is; default: monoquant-runs' })),
  {
    kind: 'text',
    name: 'baseline',
    value: 'RUN',
    help: 'the run to measure by, not the pinned one',
  },
  {
    kind: 'text',
    name: 'format',
    value: 'NAME',
    help: 'of an export: csv (default), json, …',
  },
  ...flagsOf(OUTPUT_FILE).map((flag) => ({
    ...flag,
    help: 'where repeat and export write',
  })),
  ...flagsOf(FORCE),
  { ...JSON_DOCUMENT, help: 'print it as one JSON document' },
  { ...VERBOSE, help: 'list all runs, not the last 20' },
  QUIET,
  HELP,
]);
export type RunsFlag = FlagOf<typeof RUNS_FLAGS>;

export const INFO_FLAGS = oneSection([
  MODEL,
  ...flagsOf(OPENING),
  {
    kind: 'switch',
    name: 'strict',
    help: 'exit with 4 unless all that a pickle names is safe',
  },
  { ...JSON_DOCUMENT, help: 'print the catalog as one JSON document' },
  { ...VERBOSE, help: 'every tensor, the values of metadata' },
  HELP,
]);
export type InfoFlag = FlagOf<typeof INFO_FLAGS>;
