/**
 * The words that options are made of, with what they mean.
 * They stand apart because files, calibrations, plans and options all speak of them; the engine's own lists are held to
 * these by its tests.
 */

export const SCHEMES = ['symmetric', 'asymmetric'] as const;
export type Scheme = (typeof SCHEMES)[number];

/** What shares one scale: the tensor, an output channel, a group of consecutive inputs, or a block of these and outputs. */
export const STRATEGIES = ['tensor', 'channel', 'group', 'block'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/**
 * How scales are chosen: from the extremes (round to nearest), or searched for the smallest squared error; `gptq` also
 * chooses codes together, for the smallest error of what the layer puts out.
 */
export const METHODS = ['rtn', 'mse', 'gptq'] as const;
export type Method = (typeof METHODS)[number];

/** What may be asked for: `auto` is the best that the data allow. */
/** What decides which weights become zeros. */
export const PRUNE_METHODS = ['auto', 'wanda', 'magnitude'] as const;
export type PruneMethod = (typeof PRUNE_METHODS)[number];

export const WANTED_METHODS = ['auto', ...METHODS] as const;
export type WantedMethod = (typeof WANTED_METHODS)[number];

/** Whether biases make up for the errors of weights: `auto` does so where it is known to help. */
export const BIAS_CORRECTIONS = ['auto', 'on', 'off'] as const;

/** Widths of codes: loaders have kernels for 4 and 8 bits, some for 2, 3, 5 and 6, none for 7. */
export const CODE_BITS = [2, 3, 4, 5, 6, 7, 8] as const;
export type CodeBits = (typeof CODE_BITS)[number];

export const BITS = [...CODE_BITS, 16] as const;
export type Bits = (typeof BITS)[number];
/** `none` copies every tensor. */
export type AnyBits = Bits | 'none';

/** Whether so many bits are codes with scales; 16 are floats, and other words change nothing. */
export function areCodes(bits: unknown): bits is CodeBits {
  return CODE_BITS.some((each) => each === bits);
}
/** Codes that are always in groups by default, and searched for. */
export function areFew(bits: unknown): boolean {
  return areCodes(bits) && bits < 8;
}

/** What codes stand for: integers, small floats with scales of several kinds, or numbers of a table. */
export const CODES = [
  'integers',
  'FP8',
  'NVFP4',
  'MXFP4',
  'MXFP8',
  'NF4',
  'FP4',
  'INT8_CONVROT',
] as const;
export type CodesKind = (typeof CODES)[number];

/** What a kind of codes fixes. */
export interface CodesFacts {
  readonly bits: 4 | 8;
  /** How many weights share a scale. */
  readonly group?: 16 | 32 | 64;
  /** The ways in which loaders can treat activations beside them; without it all. */
  readonly modes?: readonly Mode[];
}

/** Of integers nothing is fixed. */
export const CODES_FACTS: Readonly<Record<Exclude<CodesKind, 'integers'>, CodesFacts>> = {
  FP8: { bits: 8 },
  NVFP4: { bits: 4, group: 16, modes: ['static', 'weights-only'] },
  MXFP4: { bits: 4, group: 32, modes: ['dynamic', 'weights-only'] },
  MXFP8: { bits: 8, group: 32, modes: ['dynamic', 'weights-only'] },
  NF4: { bits: 4, group: 64, modes: ['weights-only'] },
  FP4: { bits: 4, group: 64, modes: ['weights-only'] },
  INT8_CONVROT: { bits: 8, modes: ['dynamic', 'weights-only'] },
};

/** What a kind of codes fixes; undefined for integers. */
export function factsOf(codes: CodesKind | undefined): CodesFacts | undefined {
  return codes === undefined || codes === 'integers' ? undefined : CODES_FACTS[codes];
}

/** How activations are treated by the loader: quantized as they come, with stored scales, or not at all. */
export const MODES = ['dynamic', 'static', 'weights-only'] as const;
export type Mode = (typeof MODES)[number];

/** Sixteen-bit float types that `bits: 16` can write. */
export const FLOAT_TYPES = ['F16', 'BF16'] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

/**
 * Types of the tensors of GGUF files, by the names of llama.cpp: of floats, of one type of blocks, or, behind `_S`, `_M`
 * and `_L`, a mix that llama-quantize chooses tensor by tensor.
 */
export const GGUF_FORMATS = [
  ...(['F32', 'F16', 'BF16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q5_K_S', 'Q5_1', 'Q5_0'] as const),
  ...(['Q4_K_M', 'Q4_K_S', 'Q4_1', 'Q4_0', 'IQ4_NL', 'IQ4_XS'] as const),
  ...(['Q3_K_L', 'Q3_K_M', 'Q3_K_S', 'Q2_K', 'Q2_K_S', 'MXFP4_MOE'] as const),
] as const;
export type GgufFormat = (typeof GGUF_FORMATS)[number];

/** How quantized tensors are laid out. `gguf` is the GGUF format that the bits say, or that of the floats. */
export const OUTPUT_FORMATS = [
  'compressed-tensors',
  'gptq',
  'awq',
  'mlx',
  'bitsandbytes',
  'comfyui',
  'gguf',
  ...GGUF_FORMATS,
] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Kinds of files that are written: `pt` is what `torch.save` writes. */
export const CONTAINERS = ['safetensors', 'pt', 'gguf'] as const;
export type Container = (typeof CONTAINERS)[number];

/** How scales are stored: `auto` is the dtype of the weights, and BF16 for groups of less than 8 bits of wider ones. */
export const SCALE_TYPES = ['auto', 'F32', 'F16', 'BF16'] as const;
export type ScaleType = (typeof SCALE_TYPES)[number];

/** What codes become: `auto` is the dtype of the weights that they were made of. */
export const DEQUANTIZED_TYPES = ['auto', 'F32', 'F16', 'BF16'] as const;
export type DequantizedType = (typeof DEQUANTIZED_TYPES)[number];

/** Group sizes that loaders know; -1 means one scale per output channel. */
export const GROUP_SIZES = [-1, 16, 32, 64, 128, 256] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];
