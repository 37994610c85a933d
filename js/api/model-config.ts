/**
 * The config.json that stands beside a model's weights: what it says of the model, and what has to be said in it of
 * an output. Loaders of Hugging Face models go by it.
 */

import type { Dtype } from './catalog.js';
import { MonoquantError } from './errors.js';
import { JsonObjectText } from './json-object-text.js';

export const MODEL_CONFIG = 'config.json';

/** They have some kilobytes; those of the largest mixtures, quantized, some megabytes. */
export const MOST_CONFIG_BYTES = 16 << 20;

/** The name under which loaders look, in config.json as in the metadata of our files. */
const QUANTIZATION = 'quantization_config';
/** `torch_dtype` until transformers 5. Models of several parts say it of each, below the other names. */
const DTYPE_KEYS = ['dtype', 'torch_dtype'];
const PARTS = ['text_config', 'vision_config', 'audio_config', 'encoder', 'decoder'];

/** What PyTorch calls the types that weights are loaded as. */
const TORCH_NAMES: Partial<Record<Dtype, string>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/** What planning has to know: ModelClass of the engine. */
export interface ModelClass {
  /** Names of classes of the library that made the model, such as `LlamaForCausalLM`; at least one. */
  readonly architectures: readonly string[];
  readonly modelType: string;
  /** Whether the output projection is the embedding again; null where the configuration does not say. */
  readonly tiesEmbeddings: boolean | null;
}

/** What a config.json beside an output has to say. */
export interface OutputConfig {
  /** `quantization_config`; null where nothing in the output is stored as codes. */
  readonly quantization: Readonly<Record<string, unknown>> | null;
  /** The float type of the output's weights where it is another than the source's; null where it stayed. */
  readonly floatType: Dtype | null;
}

/**
 * The text of the config.json that belongs beside an output, made from that of its model: only what loaders have to
 * know of the output is changed.
 */
export function describeOutput(
  config: string,
  { outputConfig }: { readonly outputConfig: OutputConfig },
): string {
  return ModelConfig.parse(config, MODEL_CONFIG).describing(outputConfig);
}

/** The text of a config.json, checked to be an object. */
export class ModelConfig {
  readonly #object: JsonObjectText;

  private constructor(object: JsonObjectText) {
    this.#object = object;
  }

  /** `where` is how messages call the file. */
  static parse(text: string, where: string): ModelConfig {
    const object = JsonObjectText.parse(text.replace(/^\uFEFF/, ''));
    if (object !== undefined) return new ModelConfig(object);
    throw new MonoquantError(
      'malformed-file',
      `Expected a JSON object in "${where}", found something else.`,
      { suggestion: 'Repair it, or move it away: then only the weights are looked at.' },
    );
  }

  /** Undefined where no class is named: other programs call their files config.json, too. */
  get modelClass(): ModelClass | undefined {
    const architectures = this.#object.get('architectures');
    const modelType = this.#object.get('model_type');
    const ties =
      this.#object.get('tie_word_embeddings') ??
      this.#object.object('text_config')?.get('tie_word_embeddings');
    const names = Array.isArray(architectures)
      ? architectures.filter((name) => typeof name === 'string')
      : [];
    if (names.length === 0) return undefined;
    return {
      architectures: names,
      modelType: typeof modelType === 'string' ? modelType : '',
      tiesEmbeddings: typeof ties === 'boolean' ? ties : null,
    };
  }

  /** The text of the configuration that belongs beside an output; all else stays byte for byte. */
  describing({ quantization, floatType }: OutputConfig): string {
    const typed = withFloatType(this.#object, floatType);
    if (quantization !== null) {
      return typed.with(QUANTIZATION, quantization).text;
    }
    return typed.text;
  }

  /** Without a word of codes, for an output whose weights are floats again. */
  withoutQuantization(): ModelConfig {
    const object = this.#object.without(QUANTIZATION);
    const text = object.object('text_config')?.without(QUANTIZATION);
    return new ModelConfig(text === undefined ? object : object.withObject('text_config', text));
  }
}

/** Only where a type is named: loaders go by the weights where none is. */
function withFloatType(config: JsonObjectText, floatType: Dtype | null): JsonObjectText {
  const name = floatType === null ? undefined : TORCH_NAMES[floatType];
  if (name === undefined) return config;
  let result = config;
  for (const key of DTYPE_KEYS) {
    if (typeof result.get(key) === 'string') result = result.with(key, name);
  }
  for (const part of PARTS) {
    const inner = result.object(part);
    if (inner !== undefined) result = result.withObject(part, withFloatType(inner, floatType));
  }
  return result;
}
