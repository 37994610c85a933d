/**
 * How an output is called that nobody has named: after its model, with what it has become.
 * It exists because the command and the page name outputs alike; several of one model stand side by side.
 */
import type { Choices } from '../api/types.js';

const MODEL_EXTENSION =
  /\.(safetensors\.index\.json|safetensors|pt|pth|pt2|bin|ckpt|jit|npz|gguf)(\.zst)?$/i;
const SHARD_NUMBER = /-\d+-of-\d+$/;

/** `model` of `model.safetensors`. Names that end in nothing known stay as they are. */
export function modelStem(name: string): string {
  return name.replace(MODEL_EXTENSION, '').replace(SHARD_NUMBER, '');
}

/** `-int4`, `-int8`, `-f16`; `-copy` of what only changes its container. */
export function outputSuffix({ bits = 8, floatType = 'F16' }: Choices): string {
  if (bits === 'none') return '-copy';
  return bits === 16 ? `-${floatType.toLowerCase()}` : `-int${bits}`;
}
