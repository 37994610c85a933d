/**
 * What stands beside the weights of a model, as far as it has a name that everybody uses.
 * It exists because the folder of a server cannot be listed: what may be there is asked for by name.
 */
import { QUANTIZATION_FILES } from '../api/beside-weights.js';
import { parseGiven } from '../api/given-json.js';
import { MODEL_CONFIG } from '../api/model-config.js';

/** What weights are called, and what tells that they are somewhere else. */
export const WEIGHT_NAMES: readonly string[] = [
  'model.safetensors.index.json',
  'model.safetensors',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'model_index.json',
];

/** What changes the meaning of weights. */
export const BESIDE_NAMES: readonly string[] = [
  MODEL_CONFIG,
  'adapter_config.json',
  ...QUANTIZATION_FILES,
];

/** What goes with them into a folder. */
export const SIDE_NAMES: readonly string[] = [
  MODEL_CONFIG,
  ...QUANTIZATION_FILES,
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer.model',
  'sentencepiece.bpe.model',
  'spiece.model',
  'chat_template.jinja',
  'chat_template.json',
  'preprocessor_config.json',
  'processor_config.json',
  'image_processor_config.json',
  'video_preprocessor_config.json',
  'LICENSE',
  'LICENSE.md',
  'LICENSE.txt',
  'NOTICE',
  'README.md',
];

/** Code of the model's own that its configuration names: `"auto_map": {"AutoModel": "modeling_own.OwnModel"}`. */
export function codeNames(config: Uint8Array<ArrayBuffer>): readonly string[] {
  const { auto_map: map = {} } = (parseGiven(config) ?? {}) as { readonly auto_map?: unknown };
  const classes = typeof map === 'object' && map !== null ? Object.values(map).flat() : [];
  const files = classes.flatMap((name) => {
    const [, module] = typeof name === 'string' ? (/^(\w+)\.\w+$/.exec(name) ?? []) : [];
    return module === undefined ? [] : [`${module}.py`];
  });
  return [...new Set(files)];
}
