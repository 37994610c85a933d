/**
 * How weights become numbers of fewer bits.
 * What has a name for `override` may be chosen for some tensors alone.
 */

import { PRESET_NAMES, type Preset } from '../presets.js';
import {
  BITS,
  FLOAT_TYPES,
  GROUP_SIZES,
  type GroupSize,
  SCALE_TYPES,
  SCHEMES,
  type Scheme,
  STRATEGIES,
  type Strategy,
  WANTED_METHODS,
} from '../schemes.js';
import * as needs from './conflict.js';
import type { Entries } from './entry.js';
import { choice, type Kind } from './kind.js';

/** Of one option, or of two of that kind. */
export const SCHEME_WORDS = {
  symmetric: 'Symmetric: a scale',
  asymmetric: 'Asymmetric: a scale and a zero point',
} as const;

export const HOW = {
  /** 8 (default), 4 or 16; `none` copies every tensor, as `convert` does. */
  bits: {
    kind: choice([...BITS, 'none']),
    default: 8,
    override: 'bits',
    flag: {
      short: 'b',
      form: { kind: 'choice', choices: BITS },
      several: true,
      help: 'default: 8; several: 4,8',
    },
  },
  /** `symmetric` by default; a name such as `W4A16` stands for bits and activations as well. */
  scheme: {
    kind: choice(SCHEMES) as Kind<Scheme, Scheme | Preset>,
    default: 'symmetric',
    needs: [needs.scales],
    override: 'scheme',
    flag: {
      short: 's',
      value: 'NAME',
      form: { kind: 'choice', choices: [...SCHEMES, ...PRESET_NAMES] },
      help: 'symmetric, asymmetric, W8A8, W4A16 …',
    },
    control: { label: 'Scheme', words: SCHEME_WORDS },
  },
  /** `channel` for 8 bits, `group` for 4 bits. */
  strategy: {
    kind: choice(STRATEGIES),
    resolve: strategyOf,
    needs: [needs.scales, needs.fineScales, needs.packing],
    followsBits: true,
    flag: { help: 'what shares one scale' },
    control: { label: 'One scale for' },
  },
  /** 128 for groups; -1 means per channel, or per tensor. */
  groupSize: {
    kind: choice(GROUP_SIZES),
    resolve: ({ groupSize }: { groupSize?: GroupSize }, { strategy }: { strategy: Strategy }) =>
      strategy === 'group' ? (groupSize ?? (128 satisfies GroupSize)) : (-1 satisfies GroupSize),
    needs: [needs.scales, needs.itsStrategy, needs.packing],
    followsBits: true,
    override: 'group',
    flag: { short: 'g', help: '4 bits: default 128; -1: per channel' },
  },
  /**
   * `auto` by default: `rtn` for 8 bits; for 4 bits `mse`, or `gptq` for linear layers of which the calibration has
   * captured inputs, or second moments of them. There each weight makes up for the errors of others.
   */
  method: {
    kind: choice(WANTED_METHODS),
    default: 'auto',
    needs: [needs.scales, needs.capturedInputs],
    followsBits: true,
    override: 'method',
    flag: { help: 'default: auto; gptq needs -c' },
    control: {
      label: 'Scales from',
      words: {
        auto: 'What is best with the data',
        rtn: 'Largest weight (rtn): fast',
        mse: 'Smallest error (mse): searched',
        gptq: 'Smallest error of outputs (gptq): needs captured inputs',
      },
    },
  },
  /** How scales are stored: by default as the weights are; 4-bit groups of F32 weights have BF16. */
  scaleType: {
    kind: choice(SCALE_TYPES),
    default: 'auto',
    needs: [needs.scales],
    flag: { name: 'scale-dtype', help: 'of the scales, default: auto' },
    control: {
      label: 'Scales stored as',
      words: { auto: 'As the weights; 4-bit groups at most BF16' },
    },
  },
  /** What `bits: 16` writes: F16 by default. */
  floatType: {
    kind: choice(FLOAT_TYPES),
    default: 'F16',
    needs: [needs.floats],
    flag: { name: 'dtype', help: 'what --bits 16 writes, default: f16' },
    control: { label: '16-bit floats', words: { BF16: 'BF16: as wide a range as F32' } },
  },
} as const satisfies Entries;

function strategyOf(
  chosen: { readonly strategy?: Strategy; readonly groupSize?: GroupSize },
  { bits }: { readonly bits: needs.AnyBits },
): Strategy {
  if (bits !== 4 && bits !== 8) return 'channel';
  if (chosen.groupSize === -1) return 'channel';
  return chosen.strategy ?? (chosen.groupSize !== undefined || bits === 4 ? 'group' : 'channel');
}
