/**
 * How weights become numbers of fewer bits.
 * What has a name for `override` may be chosen for some tensors alone.
 */

import { PRESET_NAMES, type Preset } from '../presets.js';
import {
  areCodes,
  areFew,
  BITS,
  CODES,
  type CodesKind,
  FLOAT_TYPES,
  factsOf,
  GROUP_SIZES,
  type GroupSize,
  type OutputFormat,
  SCALE_TYPES,
  SCHEMES,
  type Scheme,
  STRATEGIES,
  type Strategy,
  WANTED_METHODS,
} from '../schemes.js';
import * as needs from './conflict.js';
import type { Entries } from './entry.js';
import { bitsFor, formatFactsOf } from './format.js';
import { choice, type Kind } from './kind.js';

/** Of one option, or of two of that kind. */
export const SCHEME_WORDS = {
  symmetric: 'Symmetric: a scale',
  asymmetric: 'Asymmetric: a scale and a zero point',
} as const;

export const HOW = {
  /** 8 (default), 2 to 7, or 16; `none` copies every tensor, as `convert` does. */
  bits: {
    kind: choice([...BITS, 'none']),
    resolve: bitsFor,
    needs: [needs.bitsOfFormat, needs.heldByFormat],
    override: 'bits',
    flag: {
      short: 'b',
      form: { kind: 'choice', choices: BITS },
      several: true,
      help: 'default: 8; several: 4,8',
    },
  },
  /** What codes stand for: `integers` by default. A name in `scheme` chooses others, such as `NVFP4A16`. */
  codes: {
    kind: choice(CODES),
    default: 'integers',
    needs: [needs.scales, needs.itsBits, needs.unlessGguf, needs.heldByFormat],
    followsBits: true,
  },
  /** `symmetric` by default, `asymmetric` for the formats awq and mlx; a name such as `W4A16` stands for bits and activations as well. */
  scheme: {
    kind: choice(SCHEMES) as Kind<Scheme, Scheme | Preset>,
    resolve: ({ scheme, format }: { readonly scheme?: Scheme; readonly format?: OutputFormat }) =>
      scheme ?? formatFactsOf(format).scheme ?? ('symmetric' satisfies Scheme),
    needs: [needs.scales, needs.zeroPoints, needs.unlessGguf, needs.heldByFormat],
    override: 'scheme',
    flag: {
      short: 's',
      value: 'NAME',
      form: { kind: 'choice', choices: [...SCHEMES, ...PRESET_NAMES] },
      help: 'symmetric, asymmetric, W4A16, FP8 …',
    },
    control: { label: 'Scheme', words: SCHEME_WORDS },
  },
  /** `channel` for 8 bits, `group` for fewer. */
  strategy: {
    kind: choice(STRATEGIES),
    resolve: strategyOf,
    needs: [
      needs.scales,
      needs.ownStrategy,
      needs.fineScales,
      needs.packing,
      needs.unlessGguf,
      needs.heldByFormat,
    ],
    followsBits: true,
    flag: { value: 'NAME', help: 'one scale per tensor, channel, group' },
    control: { label: 'One scale for' },
  },
  /** 128 for groups, 64 for those of mlx; -1 means per channel, or per tensor. */
  groupSize: {
    kind: choice(GROUP_SIZES),
    resolve: (
      {
        groupSize,
        format,
        codes,
      }: {
        readonly groupSize?: GroupSize;
        readonly format?: OutputFormat;
        readonly codes?: CodesKind;
      },
      { strategy }: { readonly strategy: Strategy },
    ): GroupSize => {
      if (strategy !== 'group') return -1;
      return groupSize ?? factsOf(codes)?.group ?? formatFactsOf(format).groupSize ?? 128;
    },
    needs: [
      needs.scales,
      needs.ownGroup,
      needs.itsStrategy,
      needs.packing,
      needs.unlessGguf,
      needs.heldByFormat,
    ],
    followsBits: true,
    override: 'group',
    flag: { short: 'g', help: 'below 8 bits: 128; -1: per channel' },
  },
  /**
   * `auto` by default: `rtn` for 8 bits; for fewer `mse`, or `gptq` for linear layers of which the calibration has
   * captured inputs, or second moments of them. There each weight makes up for the errors of others.
   */
  method: {
    kind: choice(WANTED_METHODS),
    default: 'auto',
    needs: [needs.scales, needs.capturedInputs, needs.unlessGguf],
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
  /** How scales are stored: by default as the weights are; groups of fewer than 8 bits have BF16 beside F32 weights. */
  scaleType: {
    kind: choice(SCALE_TYPES),
    default: 'auto',
    needs: [needs.scales, needs.unlessGguf],
    flag: { name: 'scale-dtype', help: 'of the scales, default: auto' },
    control: {
      label: 'Scales stored as',
      words: { auto: 'As the weights; groups of few bits at most BF16' },
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
  chosen: {
    readonly strategy?: Strategy;
    readonly groupSize?: GroupSize;
    readonly format?: OutputFormat;
    readonly codes?: CodesKind;
  },
  { bits }: { readonly bits: needs.AnyBits },
): Strategy {
  if (!areCodes(bits)) return 'channel';
  if (factsOf(chosen.codes)?.group !== undefined) return 'group';
  if (chosen.groupSize === -1 && chosen.strategy !== 'block') return 'channel';
  const isGrouped =
    chosen.groupSize !== undefined ||
    areFew(bits) ||
    formatFactsOf(chosen.format).groupSize !== undefined;
  return chosen.strategy ?? (isGrouped ? 'group' : 'channel');
}
