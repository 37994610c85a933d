/**
 * Every flag of every command, with its words for the help.
 * It exists so that a new flag is one entry here: parsing, help and typo hints follow.
 * Help texts are at most 38 columns wide, 18 in sections of two columns: help stays on one screen.
 */
import {
  BITS,
  DEQUANTIZED_TYPES,
  FLOAT_TYPES,
  GROUP_SIZES,
  LAYER_KINDS,
  METHODS,
  OBSERVERS,
  OUTPUT_FORMATS,
  SCHEMES,
  STRATEGIES,
} from '../../js/api/types.js';
import type { FlagOf, FlagSection } from './flag.js';

const HELP = { kind: 'switch', name: 'help', short: 'h', help: 'show this help' } as const;
const MODEL = {
  kind: 'text',
  name: 'model',
  short: 'm',
  value: 'FILE',
  help: 'the model, instead of as an argument',
} as const;

const FORCE = { kind: 'switch', name: 'force', help: 'overwrite what exists' } as const;
const KEY = {
  kind: 'text',
  name: 'key',
  value: 'PATH',
  empty: true,
  help: "a part of the file; '' is all of it",
} as const;
const STRIP_PREFIX = {
  kind: 'text',
  name: 'strip-prefix',
  value: 'TEXT',
  help: 'taken off every name: module.',
} as const;
const CONFIG = {
  kind: 'text',
  name: 'config',
  value: 'FILE',
  help: 'choices as JSON, or an earlier report',
} as const;
const DUPLICATE_TIES = {
  kind: 'switch',
  name: 'duplicate-ties',
  help: 'write tied tensors once a name',
} as const;

/** What `monoquant` itself takes, before any command. */
export const GLOBAL_FLAGS = [
  { title: 'Flags', flags: [HELP, { kind: 'switch', name: 'version', help: 'show the version' }] },
] as const satisfies readonly FlagSection[];

export const HELP_FLAGS = [
  { title: 'Flags', flags: [HELP] },
] as const satisfies readonly FlagSection[];
export type HelpFlag = FlagOf<typeof HELP_FLAGS>;

export const QUANTIZE_FLAGS = [
  {
    title: 'How to quantize',
    flags: [
      { kind: 'choice', name: 'bits', short: 'b', choices: BITS, help: 'default: 8' },
      { kind: 'choice', name: 'scheme', short: 's', choices: SCHEMES, help: 'default: symmetric' },
      { kind: 'choice', name: 'strategy', choices: STRATEGIES, help: 'what shares one scale' },
      {
        kind: 'choice',
        name: 'group-size',
        short: 'g',
        choices: GROUP_SIZES,
        help: '4 bits: default 128; -1: per channel',
      },
      {
        kind: 'choice',
        name: 'method',
        choices: METHODS,
        help: 'mse searches scales (4 bits: default)',
      },
      {
        kind: 'choice',
        name: 'dtype',
        choices: FLOAT_TYPES,
        help: 'what --bits 16 writes, default: f16',
      },
      CONFIG,
    ],
  },
  {
    title: 'Activations (-c takes captured inputs of layers, or a calibration)',
    columns: 2,
    flags: [
      {
        kind: 'texts',
        name: 'calibration',
        short: 'c',
        value: 'FILE',
        help: 'repeatable',
      },
      {
        kind: 'switch',
        name: 'static',
        help: 'stored scales (-c)',
      },
      {
        kind: 'choice',
        name: 'observer',
        choices: OBSERVERS,
        value: 'NAME',
        help: 'default: auto',
      },
      {
        kind: 'switch',
        name: 'dynamic',
        excludes: 'weights-only',
        help: 'as they come',
      },
      {
        kind: 'number',
        name: 'percentile',
        value: 'N',
        help: 'default: 99.99',
      },
      { kind: 'switch', name: 'weights-only', help: 'left alone' },
      {
        kind: 'choice',
        name: 'input-scheme',
        choices: SCHEMES,
        value: 'NAME',
        help: 'as --scheme',
      },
    ],
  },
  {
    title: 'What to quantize',
    flags: [
      {
        kind: 'choices',
        name: 'layers',
        value: 'KIND,KIND',
        choices: LAYER_KINDS,
        help: 'only these kinds (`info` lists them)',
      },
      {
        kind: 'texts',
        name: 'ignore',
        value: 'PATTERN',
        help: 'leave these tensors alone (repeatable)',
      },
      {
        kind: 'switch',
        name: 'no-default-ignore',
        help: 'do not spare embeddings, heads, routers',
      },
      {
        kind: 'texts',
        name: 'layer',
        value: 'PATTERN=CHOICES',
        help: 'other choices for these (repeatable)',
      },
      {
        kind: 'number',
        name: 'min-elements',
        value: 'N',
        whole: true,
        least: 0,
        help: 'leave smaller tensors alone',
      },
    ],
  },
  {
    title: 'Files and results',
    columns: 2,
    flags: [
      { ...MODEL, help: 'or as an argument' },
      {
        kind: 'text',
        name: 'output',
        short: 'o',
        value: 'FILE',
        help: 'where to write it',
      },
      { ...STRIP_PREFIX, help: 'off every name' },
      { ...KEY, help: "a part; '' is all" },
      { ...DUPLICATE_TIES, help: 'one copy a name' },
      {
        kind: 'choice',
        name: 'format',
        choices: OUTPUT_FORMATS,
        value: 'NAME',
        help: 'how it is laid out',
      },
      {
        kind: 'number',
        name: 'fail-under',
        value: 'DB',
        help: 'at least this SQNR',
      },
      { kind: 'text', name: 'report', value: 'FILE', help: 'the JSON as a file' },
      { kind: 'switch', name: 'dry-run', help: 'show the plan' },
      { kind: 'switch', name: 'json', help: 'the report as JSON' },
      { kind: 'switch', name: 'strict', help: 'fail if it warns' },
      { ...FORCE, help: 'overwrite' },
      {
        kind: 'switch',
        name: 'verbose',
        short: 'v',
        excludes: 'quiet',
        help: 'every tensor',
      },
      { kind: 'switch', name: 'quiet', short: 'q', help: 'print the path' },
      {
        kind: 'number',
        name: 'threads',
        value: 'N',
        whole: true,
        least: 1,
        help: 'default: up to 4',
      },
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type QuantizeFlag = FlagOf<typeof QUANTIZE_FLAGS>;

export const CALIBRATE_FLAGS = [
  {
    title: 'Flags',
    flags: [
      {
        kind: 'text',
        name: 'output',
        short: 'o',
        value: 'FILE',
        help: 'default: MODEL_calibration.json',
      },
      FORCE,
      KEY,
      STRIP_PREFIX,
      { kind: 'switch', name: 'strict', help: 'write nothing if there is a warning' },
      { kind: 'switch', name: 'json', help: 'print the calibration as well' },
      { kind: 'switch', name: 'quiet', short: 'q', help: "only warnings and the output's path" },
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type CalibrateFlag = FlagOf<typeof CALIBRATE_FLAGS>;

export const CONVERT_FLAGS = [
  {
    title: 'Flags',
    flags: [
      FORCE,
      KEY,
      STRIP_PREFIX,
      DUPLICATE_TIES,
      CONFIG,
      { kind: 'switch', name: 'json', help: 'print the report as one JSON document' },
      { kind: 'switch', name: 'strict', help: 'write nothing if there is a warning' },
      { kind: 'switch', name: 'quiet', short: 'q', help: "only warnings and the output's path" },
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type ConvertFlag = FlagOf<typeof CONVERT_FLAGS>;

export const DEQUANTIZE_FLAGS = [
  {
    title: 'Flags',
    flags: [
      {
        kind: 'choice',
        name: 'dtype',
        choices: DEQUANTIZED_TYPES,
        help: 'of the values; default: that of scales',
      },
      ...CONVERT_FLAGS[0].flags,
    ],
  },
] as const satisfies readonly FlagSection[];
export type DequantizeFlag = FlagOf<typeof DEQUANTIZE_FLAGS>;

const JSON_OF = (document: string) =>
  ({ kind: 'switch', name: 'json', help: `print ${document} as JSON` }) as const;

export const COMPARE_FLAGS = [
  {
    title: 'Flags',
    flags: [
      KEY,
      STRIP_PREFIX,
      { kind: 'number', name: 'fail-under', value: 'DB', help: 'exit with 4 if the SQNR is lower' },
      JSON_OF('the comparison'),
      { kind: 'switch', name: 'verbose', short: 'v', help: 'every tensor' },
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type CompareFlag = FlagOf<typeof COMPARE_FLAGS>;

export const VALIDATE_FLAGS = [
  {
    title: 'Flags',
    flags: [
      MODEL,
      {
        kind: 'text',
        name: 'reference',
        short: 'r',
        value: 'FILE',
        help: 'the model that it was made from',
      },
      {
        kind: 'text',
        name: 'calibration',
        short: 'c',
        value: 'FILE',
        help: 'inputs to execute layers on',
      },
      { kind: 'switch', name: 'no-run', help: 'do not execute the layers' },
      KEY,
      STRIP_PREFIX,
      { kind: 'number', name: 'fail-under', value: 'DB', help: 'exit with 4 if the SQNR is lower' },
      JSON_OF('the validation'),
      { kind: 'switch', name: 'verbose', short: 'v', help: 'every tensor, every problem' },
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type ValidateFlag = FlagOf<typeof VALIDATE_FLAGS>;

export const INFO_FLAGS = [
  {
    title: 'Flags',
    flags: [
      MODEL,
      KEY,
      STRIP_PREFIX,
      { kind: 'switch', name: 'strict', help: 'exit with 4 if a pickle names what is dangerous' },
      { kind: 'switch', name: 'json', help: 'print the catalog as one JSON document' },
      { kind: 'switch', name: 'verbose', short: 'v', help: 'every tensor, the values of metadata' },
      HELP,
    ],
  },
] as const satisfies readonly FlagSection[];
export type InfoFlag = FlagOf<typeof INFO_FLAGS>;
