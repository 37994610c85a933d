/**
 * What a format of files asks for: what it has for choices that nobody makes, and what it cannot store whatever is
 * chosen. What depends on a model is said by the engine's plan.
 */
import { bitsOfGguf, type FormatChoices, isGgufFormat } from '../gguf-format.js';
import type {
  AnyBits,
  CodeBits,
  CodesKind,
  GroupSize,
  OutputFormat,
  ScaleType,
  Scheme,
  Strategy,
} from '../schemes.js';

interface FormatFacts {
  /** Weights are stored, activations never. */
  readonly weightsOnly?: true;
  /** All layers have the same bits, but for those that stay floats. */
  readonly isUniform?: true;
  /** What is meant if nobody says it. */
  readonly bits?: CodeBits;
  readonly scheme?: Scheme;
  readonly groupSize?: 64 | 128;
  /** What there is room for, with so many bits; what is absent here may be anything. */
  readonly holds?: (bits: AnyBits) => Held;
}

/** By the names of options. */
interface Held {
  readonly bits?: readonly CodeBits[];
  readonly codes?: readonly CodesKind[];
  readonly scheme?: readonly Scheme[];
  readonly strategy?: readonly Strategy[];
  readonly groupSize?: readonly GroupSize[];
  readonly scaleType?: readonly ScaleType[];
}

const FACTS: Partial<Record<OutputFormat, FormatFacts>> = {
  'compressed-tensors': {
    holds: () => ({ codes: ['integers', 'FP8', 'NVFP4', 'MXFP4', 'MXFP8'] }),
  },
  gptq: {
    weightsOnly: true,
    isUniform: true,
    bits: 4,
    groupSize: 128,
    holds: () => ({
      bits: [4, 2, 3, 8],
      codes: ['integers'],
      strategy: ['group', 'channel'],
      scaleType: ['auto', 'F16'],
    }),
  },
  awq: {
    weightsOnly: true,
    isUniform: true,
    bits: 4,
    groupSize: 128,
    scheme: 'asymmetric',
    holds: () => ({
      bits: [4],
      codes: ['integers'],
      strategy: ['group'],
      groupSize: [128, 32, 64, 256],
      scaleType: ['auto', 'F16'],
    }),
  },
  mlx: {
    weightsOnly: true,
    bits: 4,
    groupSize: 64,
    scheme: 'asymmetric',
    holds: () => ({
      bits: [4, 2, 3, 5, 6, 8],
      codes: ['integers'],
      scheme: ['asymmetric'],
      strategy: ['group'],
      groupSize: [64, 32, 128],
    }),
  },
  bitsandbytes: {
    isUniform: true,
    bits: 4,
    holds: (bits) => ({
      bits: [4, 8],
      codes: bits === 8 ? ['integers'] : ['NF4', 'FP4', 'integers'],
      scheme: ['symmetric'],
      strategy: [bits === 8 ? 'channel' : 'group'],
      groupSize: [bits === 8 ? -1 : 64],
    }),
  },
  comfyui: {
    isUniform: true,
    bits: 8,
    holds: () => ({
      bits: [8],
      codes: ['integers', 'FP8', 'INT8_CONVROT'],
      scheme: ['symmetric'],
      strategy: ['channel', 'tensor'],
      groupSize: [-1],
    }),
  },
};

/** Of a format that has none of its own, everything as usual. */
export function formatFactsOf(format: OutputFormat | undefined): FormatFacts {
  if (isGgufFormat(format)) return { weightsOnly: true };
  return (format && FACTS[format]) ?? {};
}

/** Bits of a weight, where nobody has chosen them. */
export function bitsFor({ bits, format, budget }: FormatChoices): AnyBits {
  if (bits !== undefined) return bits;
  if (format !== undefined && format !== 'gguf' && isGgufFormat(format)) return bitsOfGguf(format);
  // Of a mixture it is what most layers have.
  return formatFactsOf(format).bits ?? (budget == null ? 8 : 4);
}
