/**
 * What a GGUF output is called and made of, whichever of bits, format and kind of file somebody has chosen.
 */
import type {
  AnyBits,
  CodeBits,
  Container,
  FloatType,
  GgufFormat,
  OutputFormat,
} from './schemes.js';
import { GGUF_FORMATS } from './schemes.js';

/** Choices that say it; each may be missing. */
export interface FormatChoices {
  readonly bits?: AnyBits;
  readonly floatType?: FloatType;
  readonly format?: OutputFormat;
  readonly container?: Container;
  readonly budget?: string | null;
}

export function isGgufFormat(format: OutputFormat | undefined): format is GgufFormat | 'gguf' {
  return format === 'gguf' || GGUF_FORMATS.some((each) => each === format);
}

/** How quantized tensors are laid out. */
export function formatOf({ format, container, budget, ...choices }: FormatChoices) {
  const { bits = budget == null ? 8 : 4, floatType = 'F16' } = choices;
  if (format !== undefined && format !== 'gguf') return format;
  if (format === undefined && container !== 'gguf') return 'compressed-tensors';
  if (bits === 'none') return 'gguf';
  return bits === 16 ? floatType : FORMAT_OF_BITS[bits];
}

/** The kind of file. */
export function containerFor({ container, format }: FormatChoices): Container {
  return container ?? (isGgufFormat(format) ? 'gguf' : 'safetensors');
}

/** Of one value, in most of its tensors; 16 of floats. */
export function bitsOfGguf(format: GgufFormat): CodeBits | 16 {
  if (format === 'F32' || format === 'F16' || format === 'BF16') return 16;
  const [bits = 8] = /\d/.exec(format) ?? [];
  return Number(bits) as CodeBits;
}

/** Whether its scales can be searched for: floats have none, and those of MXFP4 are powers of two. */
export function hasSearch(format: GgufFormat | 'gguf'): boolean {
  return format !== 'gguf' && format !== 'MXFP4_MOE' && bitsOfGguf(format) !== 16;
}

/** What is usual; no type has 7 bits. */
const FORMAT_OF_BITS: Readonly<Record<CodeBits, GgufFormat>> = {
  2: 'Q2_K',
  3: 'Q3_K_M',
  4: 'Q4_K_M',
  5: 'Q5_K_M',
  6: 'Q6_K',
  7: 'Q8_0',
  8: 'Q8_0',
};
