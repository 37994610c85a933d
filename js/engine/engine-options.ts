/**
 * What the engine is told of a configuration: every choice in it that is about the output.
 * Patterns never reach the engine; it gets indices of tensors in the catalog.
 */
import { type ResolvedPatterns, resolvePatterns } from '../api/patterns.js';
import type { Configuration } from '../api/types.js';

/** What opening the file has used, or the engine has another name for. */
type Elsewhere =
  | 'key'
  | 'stripPrefix'
  | 'calibration'
  | 'dequantize'
  | 'requantize'
  | 'maxShardSize'
  | 'zstdLevel'
  | keyof ResolvedPatterns;

export interface EngineOptions extends Omit<Configuration, Elsewhere>, ResolvedPatterns {
  /** What stored codes become, where `bits` is `none`. */
  readonly dequantizedType?: string;
  /** Bytes of tensors that a file may have, if the output is to be several. */
  readonly maxFileBytes?: number;
  /** Where files of the source end, if the output is to be divided as it is. */
  readonly fileEnds?: readonly number[];
  /** What an earlier run found that no header shows: these tensors can only be copied. */
  readonly unfit: readonly UnfitTensor[];
}

export interface UnfitTensor {
  readonly tensor: number;
  readonly reason: 'non-finite' | 'overflow';
  readonly explanation: string;
}

/** `names` are asked for only if there are patterns; `fileEnds` are those of the files that the source is. */
export function engineOptions(
  configuration: Configuration,
  names: () => readonly string[],
  fileEnds: readonly number[],
): Omit<EngineOptions, 'unfit'> {
  const {
    key,
    stripPrefix,
    calibration,
    dequantize,
    requantize,
    maxShardSize,
    zstdLevel,
    ignore,
    overrides,
    ...choices
  } = configuration;
  const hasPatterns = ignore.length > 0 || overrides.length > 0;
  return {
    ...choices,
    ...resolvePatterns(configuration, hasPatterns ? names() : []),
    ...(dequantize === null ? {} : { dequantizedType: dequantize }),
    ...(typeof maxShardSize === 'number' ? { maxFileBytes: maxShardSize } : {}),
    // The order of tensors in a GGUF file is that of the source's files.
    ...(maxShardSize === 'source' || configuration.container === 'gguf' ? { fileEnds } : {}),
  };
}
