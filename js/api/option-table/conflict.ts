/**
 * What goes with what: each rule once, as what an option needs beside it.
 * Calls and files are refused by these rules, flags and clicks take back by them what they leave without a meaning.
 */

import type { Observer } from '../calibration.js';
import { bitsOfGguf, formatOf, hasSearch, isGgufFormat } from '../gguf-format.js';
import {
  type AnyBits,
  areCodes,
  areFew,
  type CodesKind,
  type Container,
  factsOf,
  type Mode,
  type OutputFormat,
  type Strategy,
} from '../schemes.js';
import { option, type Sentence, say } from '../sentence.js';
import { formatFactsOf } from './format.js';

export type { AnyBits };

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
  readonly prune?: number | null;
  readonly foldBn?: boolean;
  readonly drop?: readonly string[];
  readonly observer?: Observer;
  readonly codes?: CodesKind;
  readonly strategy?: Strategy;
  readonly method?: string;
  readonly groupSize?: number;
  readonly overrides?: readonly { readonly bits?: AnyBits }[];
  readonly container?: Container;
  readonly format?: OutputFormat;
  readonly budget?: string | null;
}

/** Undefined where the option, called `key`, may have this value. */
export type Need = (key: string, value: unknown, beside: Beside) => Refusal | undefined;

/** What decides how activations are treated. */
const MODE_KEYS = ['bits', 'codes', 'mode', 'dynamic', 'weightsOnly', 'static', 'calibration'];

export const scales: Need = (key, value, { bits }) => {
  if (areCodes(bits) || isEmpty(value)) return undefined;
  const what = bits === 16 ? 'stores floats without scales' : 'copies every tensor';
  return {
    beside: ['bits'],
    message: say`${option(key)} has no meaning with ${option('bits', bits)}, which ${what}.`,
    suggestion: say`Leave out ${option(key)}, or take ${option('bits', 8)} or ${option('bits', 4)}.`,
  };
};

/** Of what is known of inputs: it weighs errors of codes, and says which weights count least. */
export const scalesOrPruning: Need = (key, value, beside) => {
  const prunes = typeof beside.prune === 'number' && beside.bits !== 'none';
  return prunes ? undefined : scales(key, value, beside);
};

/** Of how weights are chosen that become zeros. */
export const pruning: Need = (key, value, { prune = null }) => {
  if (value === 'auto' || prune !== null) return undefined;
  return {
    beside: ['prune'],
    message: say`${option(key, value)} has no meaning without ${option('prune')}: no weights become zeros.`,
    suggestion: say`Say how many do: ${option('prune', '20%')}.`,
  };
};

export const folding: Need = (key, value, { foldBn = false }) => {
  if (foldBn || isEmpty(value) || value === null || value === false) return undefined;
  return {
    beside: ['foldBn'],
    message: say`${option(key)} has no meaning without ${option('foldBn')}: no BatchNorm is folded.`,
    suggestion: say`Leave out ${option(key)}, or fold: ${option('foldBn', true)}.`,
  };
};

/** Of layers that no GGUF file has. */
export const unlessGgufFile: Need = (key, value, { format, container }) => {
  const isGguf = isGgufFormat(format) || container === 'gguf';
  if (!isGguf || value === false) return undefined;
  return {
    beside: ['format', 'container'],
    message: say`${option(key)} has no meaning for a GGUF file, whose models have no BatchNorm.`,
    suggestion: say`Leave out ${option(key)}, or write .safetensors.`,
  };
};

/** Of layers that are left out: what was captured of the others has their old numbers. */
export const droppable: Need = (key, value, { bits, format, container, calibration = [] }) => {
  if (isEmpty(value)) return undefined;
  if (bits === 'none') {
    return {
      beside: ['bits'],
      message: say`${option(key)} has no meaning with ${option('bits', bits)}, which copies every tensor.`,
      suggestion: say`Leave out ${option(key)}, or quantize.`,
    };
  }
  if (isGgufFormat(format) || container === 'gguf') {
    return {
      beside: ['format', 'container'],
      message: say`${option(key)} has no meaning for a GGUF file, whose keys count layers.`,
      suggestion: say`Write a folder with ${option(key)} first, and make the GGUF file of that.`,
    };
  }
  if (calibration.length === 0) return undefined;
  return {
    beside: ['calibration'],
    message: say`${option('calibration')} is of a model with all its layers, but ${option(key)} numbers them anew.`,
    suggestion: 'Leave out one of the two.',
  };
};

export const inputSquares: Need = (key, value, { calibration = [] }) => {
  if (value !== 'wanda' || calibration.length > 0) return undefined;
  return {
    beside: ['calibration'],
    message: say`${option(key, value)} needs captured inputs of the model's layers, and there are none.`,
    suggestion: say`Give them (${option('calibration')}), or take ${option(key, 'magnitude')}.`,
  };
};

/** Layers are rescaled by what is known of their inputs. */
export const smoothingData: Need = (key, value, { calibration = [] }) => {
  if (value === 'off' || isEmpty(value) || calibration.length > 0) return undefined;
  return {
    beside: ['calibration'],
    message: say`${option(key, String(value))} needs to know the inputs of the model's layers, and there are none.`,
    suggestion: say`Give captured inputs or statistics of them (${option('calibration')}).`,
  };
};

/** Of choices that the types of a GGUF file make themselves. */
export const unlessGguf: Need = (key, _, { format, container }) => {
  if (!isGgufFormat(format) && container !== 'gguf') return undefined;
  const said = isGgufFormat(format) ? option('format', format) : option('container', 'gguf');
  return {
    beside: ['format', 'container'],
    message: say`${option(key)} has no meaning with ${said}: the types of a GGUF file say how weights are stored.`,
    suggestion: say`Leave out ${option(key)}, or choose another ${option('format')}.`,
  };
};

/** Of the method: ggml's own is the usual one for GGUF types, and theirs can be searched for smaller errors. */
export const methodOfGguf: Need = (key, value, beside) => {
  const { format, container } = beside;
  if ((!isGgufFormat(format) && container !== 'gguf') || value === 'auto') return undefined;
  const written = formatOf(beside);
  const isSearched = isGgufFormat(written) && hasSearch(written);
  if (value === 'mse' && isSearched) return undefined;
  return {
    beside: ['format', 'container'],
    message:
      value === 'mse'
        ? say`${option(key, value)} has no meaning with ${option('format', written)}, whose scales are not searched for.`
        : say`${option(key, value)} has no meaning for a GGUF file: the types say how scales are chosen.`,
    suggestion: isSearched
      ? say`Leave out ${option(key)} for what llama-quantize writes, or take ${option(key, 'mse')} for smaller errors.`
      : say`Leave out ${option(key)}, or choose another ${option('format')}.`,
  };
};

/** Of scales that are codes themselves, which bitsandbytes has beside 4 bits, and which no search chooses. */
export const nestedScales: Need = (key, value, beside) => {
  if (value !== true) return undefined;
  const { bits, method = 'auto' } = beside;
  const format = formatOf(beside);
  if (format !== 'bitsandbytes' || bits !== 4) {
    return {
      beside: ['format', 'codes', 'bits'],
      message: say`${option(key)} is for 4 bits in the format bitsandbytes, found ${String(bits)} bits and ${format}.`,
      suggestion: say`Take ${option('scheme', 'NF4')}, or leave out ${option(key)}.`,
    };
  }
  if (method === 'auto' || method === 'rtn') return undefined;
  return {
    beside: ['method'],
    message: say`${option(key)} needs all scales before the first code, so ${option('method', method)} has no meaning.`,
    suggestion: say`Leave out one of the two.`,
  };
};

/** Of bits, which a GGUF format says itself. */
export const bitsOfFormat: Need = (key, value, { format, container }) => {
  const isAsBitsSay = format === 'gguf' || (format === undefined && container === 'gguf');
  if (isAsBitsSay && value === 7) {
    return {
      beside: ['format', 'container'],
      message: say`${option(key, value)} has no meaning for a GGUF file: no type has 7 bits.`,
      suggestion: say`Take ${option(key, 8)} or ${option(key, 6)}.`,
    };
  }
  if (format === undefined || format === 'gguf' || !isGgufFormat(format)) return undefined;
  if (value === bitsOfGguf(format)) return undefined;
  return {
    beside: ['format'],
    message: say`${option(key, value)} contradicts ${option('format', format)}, which says how many bits there are.`,
    suggestion: say`Leave out ${option(key)}.`,
  };
};

/** Not every format has room for everything. */
export const heldByFormat: Need = (key, value, beside) => {
  const { bits } = beside;
  const format = formatOf(beside);
  const held = formatFactsOf(format).holds?.(bits) as
    | Readonly<Record<string, readonly unknown[] | undefined>>
    | undefined;
  const possible = held?.[key];
  if (possible === undefined || !areCodes(bits) || possible.includes(value)) return undefined;
  return {
    beside: ['format'],
    message: say`The format ${format} has no room for ${option(key, value)}.`,
    suggestion: say`Take ${option(key, possible[0])}, or another ${option('format')}.`,
  };
};

/** A format belongs to one kind of file. */
/** Their loaders look for notes that no other container has. */
const SAFETENSORS_ONLY: readonly OutputFormat[] = ['gptq', 'awq', 'mlx'];

export const itsFormat: Need = (key, value, { format }) => {
  if (format === undefined) return undefined;
  const fits = isGgufFormat(format) === (value === 'gguf');
  if (fits && (value === 'safetensors' || !SAFETENSORS_ONLY.includes(format))) return undefined;
  return {
    beside: ['format'],
    isMutual: true,
    message: say`${option(key, value)} cannot hold ${option('format', format)}.`,
    suggestion: isGgufFormat(format)
      ? 'Name an output that ends in .gguf.'
      : say`Leave out ${option('format')}, or name an output that ends in .safetensors.`,
  };
};

/** One layout has a word for outliers, and that is about inputs: no loader takes floats beside the codes of a weight. */
export const outliersOfInputs: Need = (key, value, beside) => {
  const { bits, format } = beside;
  if (value === null || (format === 'bitsandbytes' && bits === 8)) return undefined;
  return {
    beside: ['format', 'bits'],
    message: say`${option('format', formatOf(beside))} with ${option('bits', bits)} cannot keep outliers as floats beside its codes, and no other format can but bitsandbytes with 8 bits, whose loader looks for them among the inputs.`,
    suggestion: say`Leave out ${option(key)}; what outliers cost is won back by ${option('groupSize', 32)}, by 8 bits for single tensors (${option('overrides')}), or by ${option('budget')}.`,
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

/** Of what only means something with what is known of layers' inputs. */
export const calibrated: Need = (key, value, { calibration = [] }) => {
  if (value !== 'on' || calibration.length > 0) return undefined;
  return {
    beside: ['calibration'],
    message: say`${option(key, value)} needs the means of the layers' inputs, and there is no calibration.`,
    suggestion: say`Give captured inputs (${option('calibration')}), or leave out ${option(key)}.`,
  };
};

/** Overrides stay where they are: they are the work of a person. */
export const quantizing: Need = (key, value, beside) => {
  const refused = beside.bits === 'none' ? scales(key, value, beside) : undefined;
  return refused && { ...refused, beside: [] };
};

/** Of choices about what is made of values. */
export const changing: Need = (key, value, { bits }) => {
  if (bits !== 'none' || isEmpty(value) || value === false || value === null) return undefined;
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
  const isOther = container !== undefined && container !== 'safetensors';
  if (!isOther || typeof value !== 'number') return undefined;
  return {
    beside: ['container'],
    message: say`${option(key)} is for .safetensors files, but ${option('container')} is ${container}.`,
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

/** Of kinds of codes. */
export const itsBits: Need = (key, value, { bits }) => {
  const facts = factsOf(value as CodesKind);
  if (facts === undefined || facts.bits === bits) return undefined;
  return {
    beside: ['bits'],
    message: say`${option(key, value)} has ${facts.bits} bits, but ${option('bits')} is ${bits}.`,
    suggestion: say`Leave out one of the two, or take ${option('bits', facts.bits)}.`,
  };
};

export const zeroPoints: Need = (key, value, { codes }) => {
  if (value !== 'asymmetric' || factsOf(codes) === undefined) return undefined;
  return {
    beside: ['codes'],
    message: say`${option('codes', codes)} has no zero points, so ${option(key, value)} has no meaning.`,
    suggestion: say`Leave out one of the two.`,
  };
};

/** Some kinds of codes have groups of one size, and only FP8 has blocks. */
export const ownStrategy: Need = (key, value, { codes }) => {
  const facts = factsOf(codes);
  if (value === 'block' && codes !== 'FP8') {
    return {
      beside: ['codes'],
      message: say`${option(key, value)} is for FP8 only, but ${option('codes')} is ${codes ?? 'integers'}.`,
      suggestion: say`Take ${option('scheme', 'FP8_BLOCK')}, or leave out ${option(key)}.`,
    };
  }
  const hasGroups = facts?.group !== undefined;
  if (facts === undefined || hasGroups === (value === 'group')) return undefined;
  return {
    beside: ['codes'],
    message: hasGroups
      ? say`${option('codes', codes)} has a scale for every ${facts.group} weights, so ${option(key, value)} has no meaning.`
      : say`${option('codes', codes)} has no groups, so ${option(key, value)} has no meaning.`,
    suggestion: say`Leave out ${option(key)}.`,
  };
};

export const ownGroup: Need = (key, value, { codes }) => {
  const facts = factsOf(codes);
  if (facts === undefined || value === (facts.group ?? -1)) return undefined;
  return {
    beside: ['codes'],
    message:
      facts.group === undefined
        ? say`${option('codes', codes)} has no groups, so ${option(key, value)} has no meaning.`
        : say`${option('codes', codes)} has a scale for every ${facts.group} weights, so ${option(key, value)} has no meaning.`,
    suggestion: say`Leave out ${option(key)}.`,
  };
};

/** A budget says how many bits, and needs several to choose from. */
export const choiceOfBits: Need = (key, value, beside) => {
  if (value === null) return undefined;
  const { bits, mode, dynamic, static: fixed, format, codes = 'integers', drop } = beside;
  if (!isEmpty(drop ?? [])) {
    return {
      beside: ['drop'],
      message: say`${option(key, String(value))} is for all layers, and ${option('drop')} leaves some out.`,
      suggestion: 'Write the smaller model first, and quantize that.',
    };
  }
  const said = mode ?? (dynamic === true ? 'dynamic' : fixed === true ? 'static' : undefined);
  if (said === 'dynamic' || said === 'static') {
    return {
      beside: ['mode', 'dynamic', 'static'],
      message: say`${option(key, String(value))} is for weights alone, but ${option('mode', said)} quantizes activations as well.`,
      suggestion: say`Leave out one of the two.`,
    };
  }
  if (formatFactsOf(format).isUniform) {
    return {
      beside: ['format'],
      message: say`All layers have the same bits in ${option('format', format)}.`,
      suggestion: say`Choose another ${option('format')}, or leave out ${option(key)}.`,
    };
  }
  if (codes !== 'integers') {
    return {
      beside: ['codes'],
      message: say`${option(key, String(value))} chooses among integers of several widths, not ${option('codes', codes)}.`,
      suggestion: say`Leave out one of the two.`,
    };
  }
  if (areCodes(bits)) return undefined;
  return {
    beside: ['bits'],
    message: say`${option(key, String(value))} says how many bits layers have, and so does ${option('bits', bits)}.`,
    suggestion: say`Leave out one of the two.`,
  };
};

export const budgeted: Need = (key, value, { budget }) => {
  if (value === null || budget != null) return undefined;
  return {
    beside: ['budget'],
    message: say`${option(key)} has no meaning without ${option('budget')}: no bits are given out by it.`,
    suggestion: say`Say how large the output may be: ${option('budget', '4.5bpw')}.`,
  };
};

export const fineScales: Need = (key, value, { bits }) => {
  if (!areFew(bits) || value !== 'tensor') return undefined;
  return {
    beside: ['bits'],
    message: `One scale for a whole tensor is too coarse for ${bits} bits.`,
    suggestion: say`Take ${option(key, 'group')} or ${option(key, 'channel')}.`,
  };
};

export const itsStrategy: Need = (key, value, { strategy }) => {
  const isSize = value !== -1;
  if (strategy === undefined || (strategy === 'group' && isSize)) return undefined;
  if ((strategy === 'channel' || strategy === 'block') && !isSize) return undefined;
  const chosen = option('strategy', strategy);
  const size = option(key, value);
  const mutual = { beside: ['strategy'], isMutual: true } as const;
  if (strategy === 'tensor' || strategy === 'block') {
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
export const packing: Need = (key, value, { bits, activations, groupSize, codes }) => {
  if (factsOf(codes) !== undefined) return undefined;
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
