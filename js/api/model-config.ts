/**
 * The config.json that stands beside a model's weights: what it says of the model, and what has to be said in it of
 * an output. Loaders of Hugging Face models go by it.
 */

import type { Dtype } from './catalog.js';
import { MonoquantError } from './errors.js';
import { decodeText, type Encoding, encodeText } from './given-json.js';
import { JsonObjectText } from './json-object-text.js';

export const MODEL_CONFIG = 'config.json';

/** They have some kilobytes; those of the largest mixtures, quantized, some megabytes. */
export const MOST_CONFIG_BYTES = 16 << 20;

/** The name under which loaders look, in config.json as in the metadata of our files. */
const QUANTIZATION = 'quantization_config';
/** What MLX calls its own, beside a copy under the other name. */
const MLX_QUANTIZATION = 'quantization';
/** Loaders believe any of them; the last is the first one's name of old. */
const SAY_QUANTIZED = [QUANTIZATION, MLX_QUANTIZATION, 'compression_config'];
/** `torch_dtype` until transformers 5. Models of several parts say it of each, below other names. */
const DTYPE_KEYS = ['dtype', 'torch_dtype'];
/** The part that has the embedding and the head, in models of several. */
const LANGUAGE_PARTS = ['text_config', 'language_config', 'llm_config', 'decoder'];
/** `thinker_config.text_config`, and one for those that are yet to come. */
const DEEPEST_PART = 3;

/** What PyTorch calls the types that weights are loaded as. */
const TORCH_NAMES: Partial<Record<Dtype, string>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};
/** Anything else, such as `auto`, says nothing of the weights. */
const TORCH_TYPE = /^(torch\.)?(float64|double|float32|float|float16|half|bfloat16)$/;

/** What planning has to know: ModelClass of the engine. */
export interface ModelClass {
  /** Names of classes of the library that made the model, such as `LlamaForCausalLM`; at least one. */
  readonly architectures: readonly string[];
  readonly modelType: string;
  /** Whether the output projection is the embedding again; null where the configuration does not say. */
  readonly tiesEmbeddings: boolean | null;
  /** Of an attention: rows of each of its heads. */
  readonly headSize?: number;
  /** Between the two layers of a perceptron. */
  readonly activation?: string;
}

/** What the engine is told of the configuration beside a model; nothing where there is none. */
export interface ModelFacts {
  readonly modelClass?: ModelClass;
  /** What loaders are told of quantized tensors, as JSON text. */
  readonly quantizationConfig?: string;
}

/** What a config.json beside an output has to say. */
export interface OutputConfig {
  /** `quantization_config`; null where nothing in the output is stored as codes. */
  readonly quantization: Readonly<Record<string, unknown>> | null;
  /** What most floats of the output are, where some of them were something else; null where all stayed. */
  readonly floatType: Dtype | null;
  /** Only where some of the model's layers are left out: which of them stay. */
  readonly layers?: KeptLayers;
}

export interface KeptLayers {
  /** How many there were. */
  readonly total: number;
  /** The numbers that they had, in order. */
  readonly kept: readonly number[];
}

/**
 * The config.json that belongs beside an output, made from that of its model: only what loaders have to know of the
 * output is changed. Text comes back as text, and the bytes of a file in their encoding.
 */
export function describeOutput(
  config: string,
  report: { readonly outputConfig: OutputConfig },
): string;
export function describeOutput(
  config: Uint8Array<ArrayBuffer>,
  report: { readonly outputConfig: OutputConfig },
): Uint8Array<ArrayBuffer>;
export function describeOutput(
  config: string | Uint8Array<ArrayBuffer>,
  { outputConfig }: { readonly outputConfig: OutputConfig },
): string | Uint8Array<ArrayBuffer> {
  const described = ModelConfig.parse(config, MODEL_CONFIG).describing(outputConfig);
  return typeof config === 'string' ? described.text : described.bytes();
}

/** What somebody wrote about a model, checked to be an object. */
export class ModelConfig {
  readonly #object: JsonObjectText;
  readonly #encoding: Encoding;

  private constructor(object: JsonObjectText, encoding: Encoding) {
    this.#object = object;
    this.#encoding = encoding;
  }

  /** `where` is how messages call the file. */
  static parse(given: string | Uint8Array<ArrayBuffer>, where: string): ModelConfig {
    const { text, encoding } = textOf(given, where);
    const object = JsonObjectText.parse(text);
    if (object === undefined) throw unreadable('a JSON object', where);
    return new ModelConfig(object, encoding);
  }

  get text(): string {
    return this.#object.text;
  }

  /** In the encoding that it was read in. */
  bytes(): Uint8Array<ArrayBuffer> {
    return encodeText({ text: this.text, encoding: this.#encoding });
  }

  /** Undefined where no class is named: other programs call their files config.json, too. */
  get modelClass(): ModelClass | undefined {
    const architectures = this.#object.get('architectures');
    const modelType = this.#object.get('model_type');
    const names = Array.isArray(architectures)
      ? architectures.filter((name) => typeof name === 'string')
      : [];
    if (names.length === 0) return undefined;
    return {
      architectures: names,
      modelType: typeof modelType === 'string' ? modelType : '',
      tiesEmbeddings: this.tiesEmbeddings,
      ...this.#shape,
    };
  }

  get #shape(): Pick<ModelClass, 'headSize' | 'activation'> {
    const number = (key: string) => {
      const value = this.#object.get(key);
      return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
    };
    const [hidden, heads] = [number('hidden_size'), number('num_attention_heads')];
    const derived = hidden && heads && hidden % heads === 0 ? hidden / heads : undefined;
    const headSize = number('head_dim') ?? derived;
    const activation = ['hidden_act', 'activation_function']
      .map((key) => this.#object.get(key))
      .find((value) => typeof value === 'string');
    return {
      ...(headSize === undefined ? {} : { headSize }),
      ...(typeof activation === 'string' ? { activation } : {}),
    };
  }

  /** Whether the head is the embedding again; null where nothing is said of it. */
  get tiesEmbeddings(): boolean | null {
    const parts = LANGUAGE_PARTS.map((part) => this.#object.object(part));
    const said = [this.#object, ...parts].map((part) => part?.get('tie_word_embeddings'));
    return said.find((ties) => typeof ties === 'boolean') ?? null;
  }

  /** What loaders are told of codes, and under which name; that of the whole model before that of a part. */
  get quantization(): { readonly name: string; readonly said: object } | undefined {
    return saidOf(this.#object);
  }

  get facts(): ModelFacts {
    const { modelClass, quantization } = this;
    return {
      ...(modelClass === undefined ? {} : { modelClass }),
      ...(quantization === undefined
        ? {}
        : { quantizationConfig: this.#forEngine(quantization.said) }),
    };
  }

  #forEngine(said: object): string {
    const isMlx = !('quant_method' in said) && this.#object.get(MLX_QUANTIZATION) !== undefined;
    return JSON.stringify(isMlx ? { quant_method: 'mlx', ...said } : said);
  }

  /** That of an output; all else stays as it is. */
  describing({ quantization, floatType, layers }: OutputConfig): ModelConfig {
    const counted = layers === undefined ? this.#object : withLayers(this.#object, layers);
    const typed = withFloatType(counted, floatType);
    if (quantization === null) return this.#with(typed);
    if (quantization.quant_method !== 'mlx') {
      return this.#with(typed.with(QUANTIZATION, quantization));
    }
    // As mlx-lm writes it, which has no word for the method.
    const { quant_method: _, ...said } = quantization;
    return this.#with(typed.with(MLX_QUANTIZATION, said).with(QUANTIZATION, said));
  }

  /** Without a word of codes, for an output whose weights are floats again. */
  withoutQuantization(): ModelConfig {
    return this.#with(
      inAllParts(this.#object, (part) =>
        SAY_QUANTIZED.filter((key) => part.object(key)).reduce(
          (left, key) => left.without(key),
          part,
        ),
      ),
    );
  }

  #with(object: JsonObjectText): ModelConfig {
    return new ModelConfig(object, this.#encoding);
  }
}

function textOf(
  given: string | Uint8Array<ArrayBuffer>,
  where: string,
): { readonly text: string; readonly encoding: Encoding } {
  if (typeof given === 'string') return { text: given, encoding: 'utf-8' };
  try {
    return decodeText(given);
  } catch (cause) {
    throw unreadable('text', where, cause);
  }
}

function unreadable(expected: string, where: string, cause?: unknown): MonoquantError {
  return new MonoquantError(
    'malformed-file',
    `Expected ${expected} in "${where}", found something else.`,
    {
      suggestion: 'Repair it, or move it away: then only the weights are looked at.',
      cause,
    },
  );
}

/** An empty one says nothing, nor does one that is null. */
function saidOf(config: JsonObjectText, path = '', depth = 0): ModelConfig['quantization'] {
  for (const key of SAY_QUANTIZED) {
    const said = config.get(key);
    if (typeof said !== 'object' || said === null || Object.keys(said).length === 0) continue;
    return { name: `${path}${key}`, said };
  }
  for (const [key, part] of partsOf(config, depth)) {
    const said = saidOf(part, `${path}${key}.`, depth + 1);
    if (said !== undefined) return said;
  }
  return undefined;
}

/** Objects in it, as the parts of a model have them. */
function partsOf(
  config: JsonObjectText,
  depth: number,
): readonly (readonly [key: string, JsonObjectText])[] {
  if (depth === DEEPEST_PART) return [];
  return config.keys().flatMap((key) => {
    const part = SAY_QUANTIZED.includes(key) ? undefined : config.object(key);
    return part === undefined ? [] : [[key, part] as const];
  });
}

/** Changed by `change`, and all of its parts, too. */
function inAllParts(
  config: JsonObjectText,
  change: (part: JsonObjectText) => JsonObjectText,
  depth = 0,
): JsonObjectText {
  return partsOf(config, depth).reduce((whole, [key, part]) => {
    const changed = inAllParts(part, change, depth + 1);
    return changed.text === part.text ? whole : whole.withObject(key, changed);
  }, change(config));
}

/** How many layers there are; the part that has the language model says it in models of several. */
const LAYER_COUNTS = ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers'];
/** Numbers of layers that are of another kind. */
const LAYER_NUMBERS = ['mlp_only_layers'];
/** How many of the first ones are. */
const FIRST_LAYERS = ['first_k_dense_replace', 'max_window_layers'];

/** Of the layers that stay: their number, and what is said of each of them. */
function withLayers(config: JsonObjectText, layers: KeptLayers): JsonObjectText {
  const changed = LANGUAGE_PARTS.reduce(
    (whole, key) => {
      const part = whole.object(key);
      return part === undefined ? whole : whole.withObject(key, countingLayers(part, layers));
    },
    countingLayers(config, layers),
  );
  if (changed.text !== config.text) return changed;
  throw new MonoquantError(
    'invalid-options',
    `Expected "${MODEL_CONFIG}" to say that the model has ${layers.total} layers (num_hidden_layers), to say how many are left, found no such number.`,
    { suggestion: 'Leave no layers out, or write a single file and change its configuration.' },
  );
}

function countingLayers(part: JsonObjectText, { total, kept }: KeptLayers): JsonObjectText {
  const counts = LAYER_COUNTS.filter((key) => part.get(key) === total);
  if (counts.length === 0) return part;
  return part.keys().reduce((changed, key) => {
    const value = part.get(key);
    if (counts.includes(key)) return changed.with(key, kept.length);
    if (FIRST_LAYERS.includes(key) && typeof value === 'number') {
      return changed.with(key, kept.filter((number) => number < value).length);
    }
    if (!Array.isArray(value)) return changed;
    if (LAYER_NUMBERS.includes(key)) {
      const left = value.filter((number) => kept.includes(number));
      return changed.with(
        key,
        left.map((number) => kept.indexOf(number)),
      );
    }
    const isOfLayers = /layer|block/i.test(key) && value.length === total;
    return isOfLayers
      ? changed.with(
          key,
          kept.map((number) => value[number]),
        )
      : changed;
  }, part);
}

/** Only where a type is named: loaders go by the weights where none is. */
function withFloatType(config: JsonObjectText, floatType: Dtype | null): JsonObjectText {
  const name = floatType === null ? undefined : TORCH_NAMES[floatType];
  if (name === undefined) return config;
  return inAllParts(config, (part) =>
    DTYPE_KEYS.reduce((typed, key) => {
      const type = typed.get(key);
      const [named, prefix = ''] = (typeof type === 'string' && TORCH_TYPE.exec(type)) || [];
      return named === undefined ? typed : typed.with(key, prefix + name);
    }, part),
  );
}
