/**
 * What goes with what: each rule once, as what an option needs beside it.
 * Calls and files are refused by these rules, flags and clicks take back by them what they leave without a meaning.
 */

import type { Observer } from '../calibration.js';
import type { Container, Mode, Strategy } from '../schemes.js';
import { option, type Sentence, say } from '../sentence.js';

export type AnyBits = 4 | 8 | 16 | 'none';

export interface Refusal {
  /** It means nothing because of one of these. */
  readonly beside: readonly string[];
  /** They are equals: each may give way to the other. */
  readonly isMutual?: true;
  readonly message: Sentence;
  readonly suggestion: Sentence;
}

export interface Conflict extends Refusal {
  /** What means nothing. */
  readonly option: string;
}

/** What rules look at: choices that were made, and what follows from them. */
export interface Beside {
  readonly bits: AnyBits;
  /** How activations are treated. */
  readonly activations: Mode;
  readonly mode?: Mode;
  readonly dynamic?: boolean;
  readonly weightsOnly?: boolean;
  readonly static?: boolean;
  readonly calibration?: readonly unknown[] | undefined;
  readonly observer?: Observer;
  readonly strategy?: Strategy;
  readonly groupSize?: number;
  readonly overrides?: readonly { readonly bits?: AnyBits }[];
  readonly container?: Container;
}

/** Undefined where the option, called `key`, may have this value. */
export type Need = (key: string, value: unknown, beside: Beside) => Refusal | undefined;

/** What decides how activations are treated. */
const MODE_KEYS = ['bits', 'mode', 'dynamic', 'weightsOnly', 'static', 'calibration'];

export const scales: Need = (key, value, { bits }) => {
  if (bits === 4 || bits === 8 || isEmpty(value)) return undefined;
  const what = bits === 16 ? 'stores floats without scales' : 'copies every tensor';
  return {
    beside: ['bits'],
    message: say`${option(key)} has no meaning with ${option('bits', bits)}, which ${what}.`,
    suggestion: say`Leave out ${option(key)}, or take ${option('bits', 8)} or ${option('bits', 4)}.`,
  };
};

/** Of methods that are about what layers compute. */
export const capturedInputs: Need = (key, value, { calibration = [] }) => {
  if (value !== 'gptq' || calibration.length > 0) return undefined;
  return {
    beside: ['calibration'],
    message: say`${option(key, value)} needs captured inputs of the model's layers, and there are none.`,
    suggestion: say`Give them (${option('calibration')}), or take ${option(key, 'mse')}.`,
  };
};

/** Overrides stay where they are: they are the work of a person. */
export const quantizing: Need = (key, value, beside) => {
  const refused = beside.bits === 'none' ? scales(key, value, beside) : undefined;
  return refused && { ...refused, beside: [] };
};

/** Of choices about what is made of values. */
export const changing: Need = (key, value, { bits }) => {
  if (bits !== 'none' || isEmpty(value) || value === false) return undefined;
  return {
    beside: ['bits'],
    message: say`${option(key)} has no meaning with ${option('bits', bits)}, which copies every tensor.`,
    suggestion: say`Leave out ${option(key)}, or dequantize the model.`,
  };
};

export const copying: Need = (key, value, { bits }) => {
  if (bits === 'none' || value === null) return undefined;
  return {
    beside: ['bits'],
    message: say`${option(key)} writes codes as floats, but ${option('bits')} is ${bits}.`,
    suggestion: say`Leave out ${option(key)}, or dequantize first and quantize what comes out.`,
  };
};

export const severalFiles: Need = (key, value, { container }) => {
  if (container !== 'pt' || typeof value !== 'number') return undefined;
  return {
    beside: ['container'],
    message: say`${option(key)} is for .safetensors files, but ${option('container')} is pt.`,
    suggestion: say`Leave out ${option(key)}, or write .safetensors.`,
  };
};

export const floats: Need = (key, _, { bits, overrides = [] }) => {
  if (bits === 16 || overrides.some((override) => override.bits === 16)) return undefined;
  return {
    beside: ['bits', 'overrides'],
    message: say`${option(key)} is what 16 bits write, but ${option('bits')} is ${bits}.`,
    suggestion: say`Leave out ${option(key)}, or take ${option('bits', 16)}.`,
  };
};

/** A Configuration holds `atRest` where no scales of activations are stored. */
export function storedScales(atRest: unknown): Need {
  return (key, value, { activations }) => {
    if (activations === 'static' || value === atRest) return undefined;
    return {
      beside: MODE_KEYS,
      message: say`${option(key)} is about stored scales of activations, but the mode is ${activations}.`,
      suggestion: say`Leave out ${option(key)}, or take ${option('mode', 'static')} with ${option('calibration')}.`,
    };
  };
}

export function percentiles(atRest: unknown): Need {
  return (key, value, { observer = 'auto' }) => {
    if (observer === 'auto' || observer === 'percentile' || value === atRest) return undefined;
    return {
      beside: ['observer'],
      message: say`${option(key)} has no meaning with ${option('observer', observer)}.`,
      suggestion: say`Leave out ${option(key)}, or take ${option('observer', 'percentile')}.`,
    };
  };
}

export const fineScales: Need = (key, value, { bits }) => {
  if (bits !== 4 || value !== 'tensor') return undefined;
  return {
    beside: ['bits'],
    message: 'One scale for a whole tensor is too coarse for 4 bits.',
    suggestion: say`Take ${option(key, 'group')} or ${option(key, 'channel')}.`,
  };
};

export const itsStrategy: Need = (key, value, { strategy }) => {
  const isSize = value !== -1;
  if (strategy === undefined || (strategy === 'group' && isSize)) return undefined;
  if (strategy === 'channel' && !isSize) return undefined;
  const chosen = option('strategy', strategy);
  const size = option(key, value);
  const mutual = { beside: ['strategy'], isMutual: true } as const;
  if (strategy === 'tensor') {
    return {
      ...mutual,
      message: say`${chosen} has one scale, so ${size} has no meaning.`,
      suggestion: say`Leave out ${option(key)}, or take ${option('strategy', 'group')}.`,
    };
  }
  return {
    ...mutual,
    message: isSize
      ? say`${chosen} contradicts ${size}.`
      : say`${chosen} contradicts ${size}, which is one scale per channel.`,
    suggestion: say`Leave out one of the two; ${option(key, -1)} is one scale per channel.`,
  };
};

/** Loaders know groups of 8-bit weights in packed files only. */
export const packing: Need = (key, value, { bits, activations, groupSize }) => {
  const isGrouped =
    key === 'strategy' ? value === 'group' && (groupSize ?? -1) === -1 : value !== -1;
  if (!isGrouped || bits !== 8 || activations === 'weights-only') return undefined;
  const size = key === 'strategy' ? '' : ` (here of ${value})`;
  return {
    beside: MODE_KEYS,
    message: `Groups of 8-bit weights${size} are possible only where activations are not quantized.`,
    suggestion: say`Add ${option('weightsOnly', true)}, or take one scale per channel.`,
  };
};

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
