/**
 * The documents that cross the boundary between the engine and everything around it.
 * They exist once so that the C++ core, the command line, the page and users agree on them.
 * Always plain JSON: `--json`, `--report` and the API hand out exactly these shapes.
 */
import type { PlannedInput } from './calibration.js';
import type { Dtype, LayerKind } from './catalog.js';
import type { Mix } from './mix.js';
import type { OutputConfig } from './model-config.js';
import type { Configuration } from './plan-options.js';
import type { CodeBits, Method, PruneMethod, Scheme, Strategy } from './schemes.js';
import type { Warning } from './warning.js';

export * from './benchmark.js';
export * from './calibration.js';
export * from './catalog.js';
export * from './comparison.js';
export { isPossible, withChanges } from './configuration.js';
export * from './distribution.js';
export * from './front.js';
export * from './mix.js';
export type { KeptLayers, OutputConfig } from './model-config.js';
export { type Entry, flagName } from './option-table/entry.js';
export { SWITCH_OF } from './option-table/mode.js';
export { OPTIONS, SECTIONS } from './option-table/table.js';
export type { Changes, Choices, Configuration, LayerOverride } from './plan-options.js';
export * from './problem.js';
export * from './schemes.js';
export * from './sensitivity.js';
export type { OptionToken, Sentence } from './sentence.js';
export * from './size-curve.js';
export * from './validation.js';
export { WARNINGS, type Warning, type WarningCode } from './warning.js';

/**
 * `tie`: another name for what becomes of the tensor it is tied to. `drop`: not in the output. `correct`: a bias that
 * takes back what codes of its weight do to the mean of its layer's outputs.
 */
export type Decision = 'quantize' | 'convert' | 'copy' | 'tie' | 'drop' | 'correct';

export const REASONS = [
  'requested',
  'override',
  'budget',
  'ignored',
  'override-none',
  'not-float',
  'one-dimensional',
  'small',
  'empty',
  'norm',
  'bias',
  'embedding',
  'head',
  'router',
  'gpt2-conv1d',
  'layer-not-selected',
  'unknown-kind',
  'name-taken',
  'sibling',
  'already-narrow',
  'non-finite',
  'overflow',
  'tied',
  'not-representable',
  'dequantized',
  'not-loadable',
  'weight-norm',
  'adapter',
  'no-gain',
  'left-out',
  'folded',
] as const;
export type Reason = (typeof REASONS)[number];

export interface OutputTensor {
  readonly name: string;
  /** In a GGUF file also a type of blocks: `Q4_K`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** The index in `files` of the one that holds it; absent if there is one only, and for another name of what is held. */
  readonly file?: number;
}

/** How the codes of a tensor are made and stored. */
export interface Quantization {
  readonly bits: CodeBits;
  /** Of what is stored as no plain integers: `FP8`, `NVFP4`. */
  readonly codes?: string;
  readonly scheme: Scheme;
  readonly strategy: Strategy;
  /** -1 where the strategy is not `group`. */
  readonly groupSize: number;
  /** Rows and columns, where the strategy is `block`. */
  readonly blockSize?: readonly [number, number];
  readonly scaleDtype: Dtype;
  /** `rtn` where a search was asked for but one scale serves more weights than a search can see. */
  readonly method: Method;
  /** The type of its blocks in a GGUF file, `Q4_K`: what else is said here are the nearest words for it. */
  readonly blockType?: string;
}

export interface PlannedTensor {
  readonly name: string;
  readonly kind: LayerKind;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly decision: Decision;
  readonly reason: Reason;
  /** The reason as a sentence for people, with numbers and names. */
  readonly explanation: string;
  /** Only where `decision` is `quantize`. */
  readonly quantization?: Quantization;
  /** Where the inputs of its layer are quantized with a stored scale. */
  readonly input?: PlannedInput;
  /** Only where some of its weights become zeros. */
  readonly pruned?: Pruned;
  /** The BatchNorm that is folded into it, where one is. */
  readonly folded?: string;
  /** How it is rescaled beside others, where it is: `SmoothQuant 0.5`. */
  readonly rescaled?: string;
  readonly outputs: readonly OutputTensor[];
}

/** How many weights of a tensor become exact zeros, and how they are chosen. */
export interface Pruned {
  readonly zeros: number;
  readonly method: Exclude<PruneMethod, 'auto'>;
}

export interface Sizes {
  /** The whole source file; where it is several, the one file that they are read as. */
  readonly sourceBytes: number;
  /** Of the tensors that were taken: a checkpoint may hold much more, such as the state of an optimizer. */
  readonly tensorBytes: number;
  /** The whole output file, or all of them, before it is compressed. */
  readonly outputBytes: number;
  /** The file on the disk, if it is compressed; no plan knows that. */
  readonly packedBytes?: number;
  readonly parameters: number;
  readonly quantizedParameters: number;
  /** Weights that become exact zeros, which take as much room as others; only where there are any. */
  readonly zeroWeights?: number;
  /** Bits of all output tensors (scales and zero points included) per source element. */
  readonly bitsPerWeight: number;
}

/** What a run will do, tensor by tensor, and how large its output will be to the byte. */
export interface Plan {
  readonly configuration: Configuration;
  readonly sizes: Sizes;
  /** Bytes of each file of weights that is written: several in a folder, if they were asked for or are in the source. */
  readonly files: readonly number[];
  /** Of a budget: how it was shared out. */
  readonly mix?: Mix;
  /** In the order of the source file. */
  readonly tensors: readonly PlannedTensor[];
  /** What loaders have to know of the output's codes; null where there are none. Also in its metadata, as text. */
  readonly quantizationConfig: Readonly<Record<string, unknown>> | null;
  readonly warnings: readonly Warning[];
}

/** `low`: below 20 dB, or 15 with 4 bits, 10 with 3 and 5 with 2; `very-low`: below 10 dB, 5 with 3 bits, 0 with 2. */
export const QUALITIES = ['good', 'low', 'very-low'] as const;
export type Quality = (typeof QUALITIES)[number];

/** A tensor whose values are as they were, and why. */
export type UnchangedTensor = Pick<
  PlannedTensor,
  'name' | 'dtype' | 'shape' | 'bytes' | 'decision' | 'reason' | 'explanation'
>;

export interface TensorReport {
  readonly name: string;
  /** In the source. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly decision: 'quantize' | 'convert';
  /** Only where `decision` is `quantize`. */
  readonly quantization?: Quantization;
  /** The tensors that stand for it in the output: first its values or codes, then what belongs to codes. */
  readonly outputs: readonly Pick<OutputTensor, 'dtype' | 'bytes'>[];
  /** Signal to quantization noise ratio in dB, from stored codes and stored scales; null: no error at all. */
  readonly sqnrDb: number | null;
  /**
   * The same of what its layer computes, estimated from what the calibration says of the inputs: their mean squares, or
   * for `gptq` how they move together. Methods that use data trade the one for the other, so this one counts for
   * `quality`, for gates, and for what comes first. Only where the calibration was used.
   */
  readonly outputSqnrDb?: number | null;
  readonly quality: Quality;
  /** Largest absolute difference of a weight to its stored value. */
  readonly maxError: number;
  /**
   * Stored scales at the edge of their dtype (2^-23, the smallest that there is; subnormal in F16) whose weights
   * are not all zero. Only where there are any.
   */
  readonly edgeScales?: number;
  readonly sourceBytes: number;
  /** Of all its `outputs`. */
  readonly outputBytes: number;
  /** How its layer's inputs are quantized, where a scale of them is stored. */
  readonly input?: PlannedInput;
  /** Only where some of its weights have become zeros: SQNR is that of the weights before. */
  readonly pruned?: Pruned;
  /** The BatchNorm that is folded into it, where one is: SQNR is that of the folded weights. */
  readonly folded?: string;
  /** How it is rescaled beside others, where it is: SQNR is that of the rescaled weights. */
  readonly rescaled?: string;
}

/** `st` has no shared memory and runs everywhere; `mt` has threads on shared memory. */
export const ENGINE_KINDS = ['st', 'mt'] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

export interface EngineInfo {
  readonly kind: EngineKind;
  /** Threads that work: of one `mt` engine, or `st` engines side by side. */
  readonly threads: number;
}

export interface Timings {
  /** Reading the source's metadata and planning. */
  readonly planMs: number;
  /** Reading, encoding and writing. */
  readonly encodeMs: number;
  /** Reading the output back. */
  readonly verifyMs: number;
  /** Compressing it and reading that back, if it is compressed. */
  readonly compressMs?: number;
}

/** What a run did. */
export interface Report {
  readonly version: string;
  readonly configuration: Configuration;
  readonly engine: EngineInfo;
  readonly sizes: Sizes;
  /** Bytes of each file of weights that was written. */
  readonly files: readonly number[];
  /** What a config.json beside the output has to say of it. */
  readonly outputConfig: OutputConfig;
  /** Of a budget: how it was shared out. */
  readonly mix?: Mix;
  /** Mean SQNR in dB of all tensors that lost anything, weighted by their elements; null: nothing was lost. */
  readonly sqnrDb: number | null;
  /** The same of what layers compute, for those whose inputs are known; null: none are, or nothing was lost. */
  readonly outputSqnrDb: number | null;
  /** Worst first. */
  readonly tensors: readonly TensorReport[];
  readonly copied: readonly UnchangedTensor[];
  /** Biases that take back what codes of their weights do to the means of outputs. Only if there are any. */
  readonly corrected?: readonly UnchangedTensor[];
  /** Further names of tensors that are told elsewhere. */
  readonly tied: readonly UnchangedTensor[];
  /** What is not in the output. */
  readonly dropped: readonly UnchangedTensor[];
  readonly warnings: readonly Warning[];
  /** If only a part of the output was made: which one, and how much of the output it has. Quality is that of the whole. */
  readonly part?: { readonly number: number; readonly count: number; readonly bytes: number };
  /** Of the output, that an earlier run had left and that this one has taken over. */
  readonly resumedBytes?: number;
  readonly timings: Timings;
}

export interface Progress {
  readonly stage:
    | 'plan'
    | 'unpack'
    | 'calibrate'
    | 'resume'
    | 'encode'
    | 'verify'
    | 'compress'
    | 'merge'
    | 'compare'
    | 'run'
    | 'save';
  /** Bytes of this stage done so far and in all. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Of this stage, 0 to 1; 0 while nobody knows how much there is to do. */
  readonly fraction: number;
  /** The tensor at work, where there is one. */
  readonly tensor: string;
}
