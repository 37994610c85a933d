/**
 * The documents that cross the boundary between the engine and everything around it.
 * They exist once so that the C++ core, the command line, the page and users agree on them.
 * Always plain JSON: `--json`, `--report` and the API hand out exactly these shapes.
 */

/** Element types by their names in the safetensors format; C32 and C128 are only PyTorch's. */
export type Dtype =
  | 'BOOL'
  | 'F4'
  | 'F6_E2M3'
  | 'F6_E3M2'
  | 'U8'
  | 'I8'
  | 'F8_E5M2'
  | 'F8_E4M3'
  | 'F8_E8M0'
  | 'F8_E4M3FNUZ'
  | 'F8_E5M2FNUZ'
  | 'I16'
  | 'U16'
  | 'F16'
  | 'BF16'
  | 'I32'
  | 'U32'
  | 'F32'
  | 'C64'
  | 'F64'
  | 'I64'
  | 'U64'
  | 'C32'
  | 'C128';

/** What a tensor is for, read off its name and shape. `other` has several dimensions and no telling name. */
export const LAYER_KINDS = [
  'linear',
  'conv1d',
  'conv2d',
  'conv3d',
  'lstm',
  'gru',
  'rnn',
  'conv-transpose',
  'experts',
  'embedding',
  'head',
  'router',
  'gpt2-conv1d',
  'norm',
  'bias',
  'other',
] as const;
export type LayerKind = (typeof LAYER_KINDS)[number];

export const BITS = [4, 8, 16] as const;
export type Bits = (typeof BITS)[number];

export const SCHEMES = ['symmetric', 'asymmetric'] as const;
export type Scheme = (typeof SCHEMES)[number];

/** What shares one scale: the tensor, an output channel, or a group of consecutive inputs. */
export const STRATEGIES = ['tensor', 'channel', 'group'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** How activations are treated by the loader: quantized as they come, or not at all. */
export const MODES = ['dynamic', 'weights-only'] as const;
export type Mode = (typeof MODES)[number];

/** Sixteen-bit float types that `bits: 16` can write. */
export const FLOAT_TYPES = ['F16', 'BF16'] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

export const OUTPUT_FORMATS = ['compressed-tensors'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Kinds of files that are written: `pt` is what `torch.save` writes. */
export const CONTAINERS = ['safetensors', 'pt'] as const;
export type Container = (typeof CONTAINERS)[number];

/** Group sizes that loaders know; -1 means one scale per output channel. */
export const GROUP_SIZES = [-1, 16, 32, 64, 128, 256] as const;
export type GroupSize = (typeof GROUP_SIZES)[number];

/** What one `--layer PATTERN=…` changes for the tensors it matches. `bits: 'none'` leaves them alone. */
export interface LayerOverride {
  readonly pattern: string;
  readonly bits?: Bits | 'none';
  readonly scheme?: Scheme;
  readonly groupSize?: GroupSize;
}

/**
 * The effective configuration of a run: every choice spelled out, so that it can be repeated.
 * Patterns match a tensor or module name exactly, a module's whole subtree by its name, `*` for any
 * run of characters, or are regular expressions behind `re:`.
 */
export interface Configuration {
  /** Which part of the source: a path in it; null takes the largest state dict. */
  readonly key: string | null;
  /** Taken off every name of the source. */
  readonly stripPrefix: string;
  readonly container: Container;
  /** Tied tensors are written once a name, instead of once with notes. */
  readonly duplicateTies: boolean;
  /** `none` copies every tensor bit for bit. */
  readonly bits: Bits | 'none';
  readonly mode: Mode;
  readonly scheme: Scheme;
  readonly strategy: Strategy;
  /** Only where the strategy is `group`; -1 otherwise. */
  readonly groupSize: GroupSize;
  readonly floatType: FloatType;
  readonly format: OutputFormat;
  /** Kinds that may be quantized. */
  readonly layers: readonly LayerKind[];
  readonly ignore: readonly string[];
  readonly defaultIgnore: boolean;
  readonly overrides: readonly LayerOverride[];
  /** Tensors with fewer elements are left alone. */
  readonly minElements: number;
}

export interface TensorInfo {
  readonly name: string;
  readonly kind: LayerKind;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes in the file. */
  readonly bytes: number;
  /** Where its bytes, or those that it is a view of, begin in the file. */
  readonly offset: number;
  /** The class that holds it, where the file says so: `torch.nn.modules.linear.Linear`. */
  readonly moduleType?: string;
  /** The tensor that it shares all its bytes with. */
  readonly tiedTo?: string;
  /** In elements, where its elements do not lie one after the other. */
  readonly strides?: readonly number[];
}

export const FILE_FORMATS = [
  'safetensors',
  'torch-zip',
  'torch-legacy',
  'torch-tar',
  'torchscript',
  'torch-export',
] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

/** A place in a checkpoint that holds a state dict. */
export interface Candidate {
  readonly key: string;
  readonly tensors: number;
  readonly bytes: number;
}

/** Something that does not come out as a tensor, or was not chosen. */
export interface LeftOut {
  /** Its path in the file. */
  readonly name: string;
  readonly reason: string;
  readonly tensors: number;
  readonly bytes: number;
}

export const DANGERS = ['safe', 'unknown', 'dangerous'] as const;
export type Danger = (typeof DANGERS)[number];

/** A class or function that a pickle names. Nothing of it is ever run here. */
export interface PickleGlobal {
  readonly module: string;
  readonly name: string;
  /** Whether unpickling it in Python could run code or reach files, processes or the network. */
  readonly danger: Danger;
}

/** What is in a file. Made from its metadata alone. */
export interface Catalog {
  readonly format: FileFormat;
  /** Size of the file in bytes. */
  readonly bytes: number;
  /** Elements in all tensors; those that share their bytes count once. */
  readonly parameters: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The part of the file that was taken, as a path in it; empty for the whole. */
  readonly key: string;
  /** What every name begins with, where that is what a wrapper of PyTorch leaves behind; else empty. */
  readonly wrapperPrefix: string;
  /** All parts that could have been taken, the largest first. */
  readonly candidates: readonly Candidate[];
  readonly leftOut: readonly LeftOut[];
  /** Of a pickle; the dangerous ones first. */
  readonly globals: readonly PickleGlobal[];
  /** In the order of the file. */
  readonly tensors: readonly TensorInfo[];
}

/** `tie`: another name for what becomes of the tensor it is tied to. `drop`: not in the output. */
export type Decision = 'quantize' | 'convert' | 'copy' | 'tie' | 'drop';

export const REASONS = [
  'requested',
  'override',
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
] as const;
export type Reason = (typeof REASONS)[number];

export interface OutputTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: number;
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
  readonly quantization?: {
    readonly bits: 4 | 8;
    readonly scheme: Scheme;
    readonly strategy: Strategy;
    readonly groupSize: number;
    readonly scaleDtype: Dtype;
  };
  readonly outputs: readonly OutputTensor[];
}

export const WARNINGS = [
  'everything-quantized',
  'mostly-unquantized',
  'group-fallback',
  'siblings-split',
  'low-sqnr',
  'very-low-sqnr',
  'non-finite',
  'overflow',
  'already-quantized',
  'activation-scheme',
  'dropped',
] as const;
export type WarningCode = (typeof WARNINGS)[number];

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  /** The tensors that it speaks of, at most the first twenty. */
  readonly tensors: readonly string[];
}

export interface Sizes {
  /** The whole source file. */
  readonly sourceBytes: number;
  /** The whole output file. */
  readonly outputBytes: number;
  readonly parameters: number;
  readonly quantizedParameters: number;
  /** Bits of all output tensors (scales and zero points included) per source element. */
  readonly bitsPerWeight: number;
}

/** What a run will do, tensor by tensor, and how large its output will be to the byte. */
export interface Plan {
  readonly configuration: Configuration;
  readonly sizes: Sizes;
  /** In the order of the source file. */
  readonly tensors: readonly PlannedTensor[];
  readonly warnings: readonly Warning[];
}

export interface TensorReport {
  readonly name: string;
  readonly elements: number;
  readonly decision: 'quantize' | 'convert';
  /** Signal to quantization noise ratio in dB, from stored codes and stored scales; null: no error at all. */
  readonly sqnrDb: number | null;
  /** Largest absolute difference of a weight to its stored value. */
  readonly maxError: number;
  readonly sourceBytes: number;
  readonly outputBytes: number;
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
}

/** What a run did. */
export interface Report {
  readonly version: string;
  readonly configuration: Configuration;
  readonly engine: EngineInfo;
  readonly sizes: Sizes;
  /** Mean SQNR in dB of all tensors that lost anything, weighted by their elements; null: nothing was lost. */
  readonly sqnrDb: number | null;
  /** Worst first. */
  readonly tensors: readonly TensorReport[];
  /** Tensors that were not changed, with the reason: copies, further names of tied ones, and what was dropped. */
  readonly copied: readonly {
    readonly name: string;
    readonly decision: Decision;
    readonly reason: Reason;
    readonly explanation: string;
  }[];
  readonly warnings: readonly Warning[];
  readonly timings: Timings;
}

export interface Progress {
  readonly stage: 'plan' | 'encode' | 'verify';
  /** Bytes of this stage done so far and in all. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** The tensor at work, where there is one. */
  readonly tensor: string;
}
