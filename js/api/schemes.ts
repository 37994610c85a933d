/**
 * The words that options are made of, with what they mean.
 * They stand apart because files, calibrations, plans and options all speak of them; the engine's own lists are held to
 * these by its tests.
 */

export const SCHEMES = ['symmetric', 'asymmetric'] as const;
export type Scheme = (typeof SCHEMES)[number];

/** What shares one scale: the tensor, an output channel, or a group of consecutive inputs. */
export const STRATEGIES = ['tensor', 'channel', 'group'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/**
 * How scales are chosen: from the extremes (round to nearest), or searched for the smallest squared error; `gptq` also
 * chooses codes together, for the smallest error of what the layer puts out.
 */
export const METHODS = ['rtn', 'mse', 'gptq'] as const;
export type Method = (typeof METHODS)[number];

/** What may be asked for: `auto` is the best that the data allow. */
export const WANTED_METHODS = ['auto', ...METHODS] as const;
export type WantedMethod = (typeof WANTED_METHODS)[number];

export const BITS = [4, 8, 16] as const;
export type Bits = (typeof BITS)[number];

/** How activations are treated by the loader: quantized as they come, with stored scales, or not at all. */
export const MODES = ['dynamic', 'static', 'weights-only'] as const;
export type Mode = (typeof MODES)[number];

/** Sixteen-bit float types that `bits: 16` can write. */
export const FLOAT_TYPES = ['F16', 'BF16'] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

export const OUTPUT_FORMATS = ['compressed-tensors'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Kinds of files that are written: `pt` is what `torch.save` writes. */
export const CONTAINERS = ['safetensors', 'pt'] as const;
export type Container = (typeof CONTAINERS)[number];

/** How scales are stored: `auto` is the dtype of the weights, and BF16 for 4-bit groups of wider ones. */
export const SCALE_TYPES = ['auto', 'F32', 'F16', 'BF16'] as const;
export type ScaleType = (typeof SCALE_TYPES)[number];

/** What codes become: `auto` is the dtype of the weights that they were made of. */
export const DEQUANTIZED_TYPES = ['auto', 'F32', 'F16', 'BF16'] as const;
export type DequantizedType = (typeof DEQUANTIZED_TYPES)[number];

/** Group sizes that loaders know; -1 means one scale per output channel. */
export const GROUP_SIZES = [-1, 16, 32, 64, 128, 256] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];
