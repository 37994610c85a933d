/**
 * The flags of every command but `quantize`, with their words for the help.
 * It exists so that a new flag is one entry here: parsing, help and typo hints follow.
 * Help texts are at most 38 columns wide, 18 in sections of two columns: help stays on one screen.
 */
import { DEQUANTIZED_TYPES } from '../../js/api/types.js';
import type { FlagOf, FlagSection } from './flag.js';
import {
  CONFIG,
  DUPLICATE_TIES,
  FAIL_UNDER,
  FORCE,
  HELP,
  JSON_DOCUMENT,
  KEY,
  MODEL,
  STRIP_PREFIX,
  VERBOSE,
} from './shared-flags.js';

/** What `monoquant` itself takes, before any command. */
export const GLOBAL_FLAGS = [
  { title: 'Flags', flags: [HELP, { kind: 'switch', name: 'version', help: 'show the version' }] },
] as const satisfies readonly FlagSection[];

export const HELP_FLAGS = [
  { title: 'Flags', flags: [HELP] },
] as const satisfies readonly FlagSection[];
export type HelpFlag = FlagOf<typeof HELP_FLAGS>;

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

export const COMPARE_FLAGS = [
  {
    title: 'Flags',
    flags: [KEY, STRIP_PREFIX, FAIL_UNDER, JSON_DOCUMENT, VERBOSE, HELP],
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
      FAIL_UNDER,
      JSON_DOCUMENT,
      VERBOSE,
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
