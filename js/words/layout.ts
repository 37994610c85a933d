/**
 * What a layout of codes, and the kind of file that has it, are called.
 */
import { containerFor, isGgufFormat } from '../api/gguf-format.js';
import type { Configuration } from '../api/types.js';

export { containerFor, isGgufFormat };

/** `compressed-tensors, W4A16`, `compressed-tensors, NVFP4`, `GGUF Q4_K_M`, `mlx`. */
export function layoutWords({ format, codes, bits, mode }: Configuration): string {
  if (isGgufFormat(format)) return `GGUF ${format}`;
  if (format !== 'compressed-tensors' || typeof bits !== 'number' || bits === 16) return format;
  const kind = codes === 'integers' ? `W${bits}A${mode === 'weights-only' ? 16 : 8}` : codes;
  return `${format}, ${kind}`;
}
