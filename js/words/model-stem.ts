/**
 * How an output is called that nobody has named: after its model, with what it has become.
 * It exists because the command and the page name outputs alike; several of one model stand side by side.
 */
import { formatOf, isGgufFormat } from '../api/gguf-format.js';
import { bitsFor } from '../api/option-table/format.js';
import type { Choices } from '../api/types.js';

const MODEL_EXTENSION =
  /\.(safetensors\.index\.json|safetensors|pt|pth|pt2|bin|ckpt|jit|npz|gguf)(\.zst)?$/i;
const SHARD_NUMBER = /-\d+-of-\d+$/;

/** `model` of `model.safetensors`. Names that end in nothing known stay as they are. */
export function modelStem(name: string): string {
  return name.replace(MODEL_EXTENSION, '').replace(SHARD_NUMBER, '');
}

/** `-int4`, `-f16`, `-mixed` within a budget, `-Q4_K_M`, `-nvfp4`, `-awq-int4`; `-copy` of what only changes its container. */
export function outputSuffix(choices: Choices): string {
  const { floatType = 'F16', codes = 'integers', budget } = choices;
  const format = formatOf(choices);
  const bits = bitsFor(choices);
  if (budget != null) return '-mixed';
  if (isGgufFormat(format)) return format === 'gguf' ? '' : `-${format}`;
  if (bits === 'none') return '-copy';
  if (bits === 16) return `-${floatType.toLowerCase()}`;
  const layout = format === 'compressed-tensors' ? '' : `-${format}`;
  const kind = codes === 'integers' ? `int${bits}` : codes.toLowerCase().replaceAll('_', '-');
  return `${layout}-${kind}`;
}
