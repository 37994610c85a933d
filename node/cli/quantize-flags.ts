/**
 * The flags of `quantize`, with their words for the help.
 * It exists apart because they are as many as those of all other commands.
 * Help texts are at most 38 columns wide, 18 in sections of two columns: help stays on one screen.
 */
import {
  BITS,
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
import { CONFIG, DUPLICATE_TIES, FORCE, HELP, KEY, MODEL, STRIP_PREFIX } from './shared-flags.js';

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
