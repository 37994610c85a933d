/**
 * How the inputs of layers are treated, and what is known of them.
 */
import {
  type BlobData,
  type CalibrationInput,
  isCalibration,
  nameOfInput,
  OBSERVERS,
} from '../calibration.js';
import { checkList, unexpected } from '../check.js';
import { BIAS_CORRECTIONS, MODES, SCHEMES } from '../schemes.js';
import * as needs from './conflict.js';
import type { Entries } from './entry.js';
import { SCHEME_WORDS } from './how.js';
import { choice, type Kind, number, onOrOff, wholeNumber } from './kind.js';
import { modeOf, needsAgreement } from './mode.js';

const DEFAULT_PERCENTILE = 99.99;
/** Language models have layers of which one stored scale leaves nothing, and most with far more than this. */
const ENOUGH_DECIBELS = 20;
const MOST_DECIBELS = 100;

/** One input or several; files that are not there are noticed where they are opened. */
const inputs: Kind<readonly CalibrationInput[], CalibrationInput | readonly CalibrationInput[]> = {
  form: { kind: 'texts' },
  check: (value, key) => {
    if (value === undefined) return undefined;
    return checkList(Array.isArray(value) ? value : [value], key, checkInput);
  },
};

export const ACTIVATIONS = {
  /**
   * How activations are treated: `static` for 8 bits where there is a calibration, else `dynamic`. The three
   * switches below say the same.
   */
  mode: {
    kind: choice(MODES),
    resolve: modeOf,
    needs: [needsAgreement],
    followsBits: true,
    control: {
      label: 'Inputs of layers',
      help: 'Whether the program that loads the model works with 8-bit inputs, too.',
      words: {
        dynamic: 'Quantized as they come (dynamic)',
        static: 'Quantized with stored scales (static)',
        'weights-only': 'Left alone (weights only)',
      },
    },
  },
  /** Quantize activations as they come (the default of 8 bits). Contradicts `weightsOnly`. */
  dynamic: {
    kind: onOrOff,
    needs: [needsAgreement],
    followsBits: true,
    flag: { help: 'as they come', excludes: 'weights-only' },
  },
  /** Only weights are quantized (always so for fewer than 8 bits). */
  weightsOnly: {
    kind: onOrOff,
    needs: [needsAgreement],
    followsBits: true,
    flag: { help: 'left alone' },
  },
  /** Quantize activations with scales that the calibration gives and the file stores. */
  static: {
    kind: onOrOff,
    needs: [needsAgreement],
    followsBits: true,
    flag: { help: 'stored scales, -c' },
  },
  /**
   * Captured inputs of the model's layers, or a calibration made of them. Also weighs the errors of `mse`. A
   * Configuration has the names of its files.
   */
  calibration: {
    kind: inputs,
    resolve: ({
      calibration = [],
    }: {
      readonly calibration?: readonly CalibrationInput[];
    }): readonly string[] => calibration.map(nameOfInput).filter((name) => name !== undefined),
    needs: [needs.scalesOrPruning],
    flag: { short: 'c', value: 'FILE', help: 'repeatable' },
    control: { label: 'Calibration' },
  },
  /** With stored scales of activations: how a range follows from the data. `auto` by default. */
  observer: {
    kind: choice(OBSERVERS),
    default: 'auto',
    needs: [needs.storedScales('auto')],
    flag: { value: 'NAME', help: 'default: auto' },
    control: {
      label: 'Range of inputs',
      words: {
        auto: 'Whatever loses least, layer by layer (auto)',
        minmax: 'Smallest and largest value (minmax)',
        'moving-average': 'Average over batches (moving-average)',
        histogram: 'Smallest error of the histogram (histogram)',
        percentile: 'Without the outermost values (percentile)',
      },
    },
  },
  /** Of the values, for the observers `percentile` and `auto`: above 50, at most 100; 99.99 by default. */
  percentile: {
    kind: number({ above: 50, most: 100 }),
    default: DEFAULT_PERCENTILE,
    needs: [needs.storedScales(DEFAULT_PERCENTILE), needs.percentiles(DEFAULT_PERCENTILE)],
    flag: { value: 'N', help: `default: ${DEFAULT_PERCENTILE}` },
    control: { label: 'Percentile' },
  },
  /**
   * With stored scales of activations: layers whose inputs would keep less than this SQNR in dB, by estimate, stay
   * dynamic. 20 by default; 0: none do.
   */
  minInputSqnr: {
    kind: wholeNumber(0, MOST_DECIBELS),
    default: ENOUGH_DECIBELS,
    needs: [needs.storedScales(ENOUGH_DECIBELS)],
    flag: { value: 'DB', help: `default: ${ENOUGH_DECIBELS}` },
    control: { label: 'Least SQNR of inputs' },
  },
  /**
   * Whether biases take back what codes of their weights do to the means of outputs, which needs the means of inputs.
   * `auto` by default: of at most 6 bits, if the calibration has them. Tensors that are not there are never added.
   */
  biasCorrection: {
    kind: choice(BIAS_CORRECTIONS),
    default: 'auto',
    needs: [needs.scales, needs.unlessGguf, needs.calibrated],
    flag: { help: 'default: auto', alone: 'on', rare: true },
    control: {
      label: 'Biases',
      words: {
        auto: 'Corrected by the means of inputs, for few bits (auto)',
        on: 'Corrected by the means of inputs',
        off: 'Left alone',
      },
    },
  },
  /** Of activations with stored scales: `symmetric` by default. */
  inputScheme: {
    kind: choice(SCHEMES),
    default: 'symmetric',
    needs: [needs.storedScales('symmetric')],
    flag: { value: 'NAME', help: 'as --scheme' },
    control: { label: 'Scheme of inputs', words: SCHEME_WORDS },
  },
} as const satisfies Entries;

function checkInput(value: unknown, key: string): CalibrationInput {
  if (typeof value === 'string' && value !== '') return value;
  if (value instanceof URL || isCalibration(value) || isBlob(value)) return value;
  throw unexpected('a file or a calibration', key, value);
}

function isBlob(value: unknown): value is BlobData {
  return typeof value === 'object' && value !== null && 'arrayBuffer' in value && 'size' in value;
}
