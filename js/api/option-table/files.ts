/**
 * What is read of a file, and what kind of file is written.
 */
import { containerFor, formatOf } from '../gguf-format.js';
import { CONTAINERS, DEQUANTIZED_TYPES, OUTPUT_FORMATS } from '../schemes.js';
import * as needs from './conflict.js';
import type { Entries } from './entry.js';
import { anyText, choice, nullable, onOrOff, wholeNumber } from './kind.js';
import { shardSize } from './shard-size.js';

/** Which part of a file is meant, and under which names. */
export const OPENING = {
  /** A path in the file, such as `state_dict`; empty for everything. By default, or null, the largest state dict. */
  key: {
    kind: nullable(anyText),
    default: null,
    flag: {
      value: 'PATH',
      help: "a part of the file; '' is all of it",
      brief: "a part; '' is all",
    },
  },
  /** Taken off every name; each must begin with it. What wrappers of PyTorch put inside of names goes as well. */
  stripPrefix: {
    kind: anyText,
    default: '',
    flag: { value: 'TEXT', help: 'taken off every name: module.', brief: 'off every name' },
  },
} as const satisfies Entries;

export const FILES = {
  /** With `bits: 'none'`: what stored codes become; null: they are copied as they are. */
  dequantize: { kind: nullable(choice(DEQUANTIZED_TYPES)), default: null, needs: [needs.copying] },
  /** Quantizes what codes stand for, if the model is quantized already: its errors stay, and new ones come on top. */
  requantize: {
    kind: onOrOff,
    default: false,
    needs: [needs.changing],
    flag: { help: 'quantize codes again, as their values', brief: 'codes, once more' },
    control: {
      label: 'Quantize again what is quantized',
      help: 'Its errors stay, and new ones come on top: the original model gives better results.',
    },
  },
  /** The kind of file that is written. In Node by default what the output's name says, else `safetensors`. */
  container: {
    kind: choice(CONTAINERS),
    resolve: containerFor,
    needs: [needs.itsFormat],
    control: {
      label: 'File',
      words: {
        safetensors: '.safetensors, for vLLM and transformers',
        pt: '.pt, a plain state dict of PyTorch',
        gguf: '.gguf, for llama.cpp and Ollama',
      },
    },
  },
  /** How hard the file is compressed with zstd; null: not at all. In Node by default 3 if the output's name ends in `.zst`. */
  zstdLevel: {
    kind: nullable(wholeNumber(1, 19)),
    default: null,
    flag: { value: 'N', help: 'of a .zst, from 1 to 19; default: 3', brief: 'of .zst: 1 to 19' },
  },
  /** Write the bytes of tied tensors once a name, instead of once with notes. */
  duplicateTies: {
    kind: onOrOff,
    default: false,
    flag: { help: 'write tied tensors once a name', brief: 'one copy a name' },
    control: { label: 'Write tied tensors once a name' },
  },
  /**
   * How large the files of an output folder may be: bytes, or text such as `5GB` (of tensors; one tensor is never
   * divided). `source` by default: as the model is divided; `none`: one file.
   */
  maxShardSize: {
    kind: shardSize,
    default: 'source',
    needs: [needs.severalFiles],
    flag: { value: 'N', help: 'of each file in a folder: 5GB, none', brief: '5GB; none: one' },
  },
  /**
   * How quantized tensors are laid out in the file: `compressed-tensors` by default; for a GGUF file a type by llama.cpp's
   * name, `Q4_K_M` (with 8 bits by default `Q8_0`, with 4 `Q4_K_M`, with 16 `F16`).
   */
  format: {
    kind: choice(OUTPUT_FORMATS),
    resolve: formatOf,
    flag: {
      value: 'NAME',
      help: 'the layout: Q4_K_M, Q8_0 … of a .gguf',
      brief: 'layout: Q4_K_M …',
    },
    control: {
      label: 'Layout',
      help: 'Names such as Q4_K_M are types of GGUF files, for llama.cpp and Ollama. They need the whole folder of a Llama, Mistral, Qwen or Gemma model; other weights keep their names.',
      words: {
        'compressed-tensors': 'compressed-tensors: vLLM, transformers',
        gguf: 'GGUF, as the bits say',
        Q4_K_M: 'GGUF Q4_K_M: small, the usual choice',
        Q8_0: 'GGUF Q8_0: hardly any loss',
      },
    },
  },
} as const satisfies Entries;
