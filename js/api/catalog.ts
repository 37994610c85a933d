/**
 * What is in a file: the part of the documents that opening it makes.
 * It exists apart because it is complete before anyone has decided anything.
 * Always plain JSON, made by the engine from metadata alone.
 */

import type { Problem } from './problem.js';
import type { Scheme, Strategy } from './schemes.js';

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
  'weight-norm',
  'adapter',
  'other',
] as const;
export type LayerKind = (typeof LAYER_KINDS)[number];

/** How a tensor is stored as codes. */
export interface StoredCodes {
  /** Whether codes are integers, or small floats such as FP8. */
  readonly type: 'int' | 'float';
  /** 4 or 8 of what is written here, 1 to 8 of what other tools have written. */
  readonly bits: number;
  readonly scheme: Scheme;
  /** `block`: one scale for a rectangle of `blockSize` rows and columns. */
  readonly strategy: Strategy;
  /** -1 where the strategy is not `group`. */
  readonly groupSize: number;
  readonly blockSize?: readonly [number, number];
  readonly scaleDtype: Dtype;
  /** Of a GGUF file: the type of its blocks, `Q4_K`. The rest is then what comes nearest to it. */
  readonly blockType?: string;
}

export interface TensorInfo {
  readonly name: string;
  readonly kind: LayerKind;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes in the file, scales and zero points included. */
  readonly bytes: number;
  /** Where it is stored as codes, and the parts of quantized tensors were joined; blocks of GGUF files need no joining. */
  readonly quantization?: StoredCodes;
  /** Where its bytes, or those that it is a view of, begin in the file. */
  readonly offset: number;
  /** The class that holds it, where the file says so: `torch.nn.modules.linear.Linear`. */
  readonly moduleType?: string;
  /** The tensor that it shares all its bytes with. */
  readonly tiedTo?: string;
  /** Where its values are no plain run of bytes in the file: compressed, strided, or in another byte order. */
  readonly assembled?: true;
  /** In elements, where its elements do not lie one after the other. */
  readonly strides?: readonly number[];
}

export const FILE_FORMATS = [
  'safetensors',
  'npz',
  'gguf',
  'imatrix',
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
  /** Whether it belongs to the part that was taken, and cannot be read; the rest was not chosen. */
  readonly lost: boolean;
  /** The file that has a tensor of this name as well, which is read because the index points there. */
  readonly supersededBy?: string;
}

export const DANGERS = ['safe', 'unknown', 'dangerous'] as const;
export type Danger = (typeof DANGERS)[number];

/** A class or function that a pickle names. Nothing of it is ever run here. */
export interface PickleGlobal {
  readonly module: string;
  readonly name: string;
  /**
   * `dangerous`: unpickling it in Python can run code or reach files, processes or the network. `safe`: it is on the
   * list of names that are known not to. `unknown`: everything else.
   */
  readonly danger: Danger;
}

/** A part of an archive that may run code where it is loaded, and shows no names. */
export interface OpaquePart {
  /** Its path in the file. */
  readonly member: string;
  /** `native code`, `a pickle that cannot be read`, … */
  readonly reason: string;
}

/** Tensors that are stored as codes, of one layout. */
export interface ForeignCodes {
  /** As a sentence calls it: `bitsandbytes NF4`, `GPTQ 4 bits`. */
  readonly layout: string;
  /** The first of them. */
  readonly tensor: string;
  /** How many, without their scales and the like. */
  readonly tensors: number;
}

/** What is in a file. Made from its metadata alone. */
export interface Catalog {
  readonly format: FileFormat;
  /** Of a model of several files: their names, in the order in which they are read as one. */
  readonly files?: readonly string[];
  /** Size of the file in bytes, unpacked if it is compressed; of several, that of the one file that they are read as. */
  readonly bytes: number;
  /** Of a file that is compressed with zstd, or of several of which one is: their size on the disk. */
  readonly packedBytes?: number;
  /** Elements in all tensors; those that share their bytes count once. */
  readonly parameters: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The part of the file that was taken, as a path in it; empty for the whole. */
  readonly key: string;
  /** What wrappers of PyTorch have put before all names or into some, as `stripPrefix` takes it out; else empty. */
  readonly wrapperPrefix: string;
  /** All parts that could have been taken, the largest first. */
  readonly candidates: readonly Candidate[];
  readonly leftOut: readonly LeftOut[];
  /** Of all pickles that PyTorch may load from it; the dangerous ones first. */
  readonly globals: readonly PickleGlobal[];
  readonly opaque: readonly OpaquePart[];
  /** Modules of TorchScript in it. They are programs for an interpreter of their own, which has no way to Python. */
  readonly code: readonly string[];
  /** Where parts of quantized tensors were joined: those that do not fit together. */
  readonly problems: readonly Problem[];
  /** Codes that were not joined, or are of a layout that is not read here. */
  readonly foreign: readonly ForeignCodes[];
  /** In the order of the file. */
  readonly tensors: readonly TensorInfo[];
}
