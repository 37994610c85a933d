/**
 * How weights become numbers of fewer bits.
 * What has a name for `override` may be chosen for some tensors alone.
 */

import { USUAL_THRESHOLD } from '../outlier-threshold.js';
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
  PRUNE_METHODS,
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
import { budget, choice, type Kind, nullable, number, object, onOrOff } from './kind.js';
import { percentage } from './percentage.js';
import { smoothing } from './smoothing.js';

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
  /**
   * How large the output may become: `4.25bpw` for each weight on average, `800MB` or `40%` for the whole. Layers get the
   * bits with which least is lost within it; what each of them would lose is measured first.
   */
  budget: {
    kind: nullable(budget),
    default: null,
    needs: [needs.choiceOfBits],
    flag: { value: 'SIZE', help: 'mixed bits within 4.25bpw, 2GB, 40%' },
    control: { label: 'Size to stay within: 4.25bpw, 800MB or 40%' },
  },
  /**
   * How much the errors of layers count by their place in the model, where a budget is shared out: what is to be other
   * than in the default table.
   */
  prior: {
    kind: nullable(object<object>('a table of places, an object', isPlainObject)),
    default: null,
    needs: [needs.budgeted],
    flag: {
      value: 'FILE',
      form: { kind: 'text' },
      help: 'how much places count, as JSON',
      rare: true,
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
   * captured inputs, or second moments of them. There each weight makes up for the errors of others. In GGUF files
   * `auto` is what llama-quantize writes, and `mse` what loses less in the same types.
   */
  method: {
    kind: choice(WANTED_METHODS),
    default: 'auto',
    needs: [needs.scales, needs.capturedInputs, needs.methodOfGguf],
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
  /**
   * For LLM.int8() (bitsandbytes with 8 bits): input channels in which a value is larger than that by magnitude are
   * multiplied as floats. The program that loads the model does so; null by default: it takes 6.
   */
  outliers: {
    kind: nullable(number({ above: 0, most: 65_504 })),
    default: null,
    needs: [needs.outliersOfInputs],
    flag: {
      value: 'THRESHOLD',
      alone: String(USUAL_THRESHOLD),
      help: 'larger inputs as floats (LLM.int8())',
      rare: true,
    },
  },
  /** How scales are stored: by default as the weights are; groups of fewer than 8 bits have BF16 beside F32 weights. */
  scaleType: {
    kind: choice(SCALE_TYPES),
    default: 'auto',
    needs: [needs.scales, needs.unlessGguf, needs.heldByFormat],
    flag: { name: 'scale-dtype', help: 'of the scales, default: auto', rare: true },
    control: {
      label: 'Scales stored as',
      words: { auto: 'As the weights; groups of few bits at most BF16' },
    },
  },
  /**
   * Of bitsandbytes' NF4 and FP4: scales are stored as codes of 8 bits, with scales of their own, as
   * `bnb_4bit_use_double_quant` has it. 4.13 instead of 4.5 bits a weight.
   */
  doubleQuant: {
    kind: onOrOff,
    default: false,
    needs: [needs.nestedScales],
    followsBits: true,
    flag: { name: 'double-quant', help: 'bitsandbytes: scales in 8 bits, too', rare: true },
  },
  /** What `bits: 16` writes: F16 by default. */
  floatType: {
    kind: choice(FLOAT_TYPES),
    default: 'F16',
    needs: [needs.floats],
    flag: { name: 'dtype', help: 'what --bits 16 writes, default: f16' },
    control: { label: '16-bit floats', words: { BF16: 'BF16: as wide a range as F32' } },
  },
  /**
   * Percent of the weights of each row that become exact zeros before scales are chosen, in every matrix that is
   * quantized or converted; null by default: none. The file is as large as without: zeros only compress well.
   */
  prune: {
    kind: nullable(percentage),
    default: null,
    needs: [needs.changing],
    flag: { value: 'PERCENT', help: 'the least weights to zero, 20% of a row', rare: true },
  },
  /**
   * Which weights count least: those whose magnitude times the root of their input's mean square is least (`wanda`), or
   * whose magnitude is. `auto` by default: `wanda` for layers that the calibration has data of.
   */
  pruneMethod: {
    kind: choice(PRUNE_METHODS),
    default: 'auto',
    needs: [needs.pruning, needs.inputSquares],
    flag: { help: 'which those are; wanda needs -c', rare: true },
  },
  /**
   * Fold BatchNorm layers into the convolution or linear layer before them, if names and shapes leave no doubt which
   * that is. The model computes the same: each BatchNorm stays as an identity that adds what is left.
   */
  foldBn: {
    kind: onOrOff,
    default: false,
    needs: [needs.changing, needs.unlessGgufFile],
    flag: { name: 'fold-bn', help: 'BatchNorm into the layer before it', rare: true },
  },
  /** The epsilon of these layers, which no file says; null by default: 1e-5 if it hardly matters. */
  bnEps: {
    kind: nullable(number({ above: 0, most: 1 })),
    default: null,
    needs: [needs.folding],
    flag: { name: 'bn-eps', value: 'E', help: 'its epsilon; default: 1e-5', rare: true },
  },
  /** Leave folded BatchNorm layers out: then the layers before them have a bias. For models built without them. */
  dropBn: {
    kind: onOrOff,
    default: false,
    needs: [needs.folding],
    flag: { name: 'drop-bn', help: 'and leave the BatchNorm out', rare: true },
  },
  /**
   * Have layers and what is before them trade magnitudes, so that both lose less; the model computes the same. `auto`:
   * SmoothQuant with the alpha with which each layer loses least, or not at all; a number: with this alpha; `awq`: for
   * weights alone. `off` by default. It needs captured inputs, and config.json beside the model.
   */
  smooth: {
    kind: smoothing,
    default: 'off',
    needs: [needs.changing, needs.unlessGguf, needs.smoothingData],
    flag: { value: 'HOW', help: 'rescale layers: auto, awq or an alpha', rare: true },
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

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
