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
  | 'zstdLevel'
  | keyof ResolvedPatterns;

export interface EngineOptions extends Omit<Configuration, Elsewhere>, ResolvedPatterns {
  /** What stored codes become, where `bits` is `none`. */
  readonly dequantizedType?: string;
  /** What an earlier run found that no header shows: these tensors can only be copied. */
  readonly unfit: readonly UnfitTensor[];
}

export interface UnfitTensor {
  readonly tensor: number;
  readonly reason: 'non-finite' | 'overflow';
  readonly explanation: string;
}

/** `names` are asked for only if there are patterns. */
export function engineOptions(
  configuration: Configuration,
  names: () => readonly string[],
): Omit<EngineOptions, 'unfit'> {
  const { key, stripPrefix, calibration, dequantize, zstdLevel, ignore, overrides, ...choices } =
    configuration;
  const hasPatterns = ignore.length > 0 || overrides.length > 0;
  return {
    ...choices,
    ...resolvePatterns(configuration, hasPatterns ? names() : []),
    ...(dequantize === null ? {} : { dequantizedType: dequantize }),
  };
}
