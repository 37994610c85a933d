/**
 * What stands beside the weights in a model's folder and changes what they mean: its configuration, an adapter, files
 * that speak of codes. A run has to go by it, or has to be refused.
 */
import { MonoquantError } from './errors.js';
import { MODEL_CONFIG, type ModelConfig, type ModelFacts } from './model-config.js';

export interface BesideWeights {
  /** What the engine is told. */
  readonly facts: ModelFacts;
  /** What says that the weights are codes: `quantization_config of config.json (fp8)`. */
  readonly saysQuantized?: string;
  /** Whether the head is the embedding again. */
  readonly tiesEmbeddings: boolean;
  /** A file of changes to the weights that loaders add to them. */
  readonly adapter?: string;
  /** Why the configuration cannot be understood. */
  readonly fault?: MonoquantError;
}

export const NOTHING_BESIDE: BesideWeights = { facts: {}, tiesEmbeddings: false };

/** Where tools and loaders look for what is said of codes, besides config.json. */
export const QUANTIZATION_FILES: readonly string[] = [
  'hf_quant_config.json',
  'quant_config.json',
  'quantize_config.json',
];

/** What GPTQ's loaders look for beside config.json, with the same in it. */
export const GPTQ_CONFIG = 'quantize_config.json';

const ADAPTER = /^adapter_(config\.json|model\.(safetensors|bin|pt))$/i;

/** Weights that are changes to other weights, and what says so. */
export function isAdapter(name: string): boolean {
  return ADAPTER.test(name);
}

/** `names` are those of all files in the folder. */
export function besideWeights(
  names: readonly string[],
  readConfig: () => ModelConfig | undefined,
): BesideWeights {
  const adapter = names.find(isAdapter);
  const beside = adapter === undefined ? NOTHING_BESIDE : { ...NOTHING_BESIDE, adapter };
  try {
    const config = readConfig();
    const saysQuantized = config?.quantization
      ? wordsOf(config.quantization)
      : names.find((name) => QUANTIZATION_FILES.includes(name));
    return {
      ...beside,
      facts: config?.facts ?? {},
      tiesEmbeddings: config?.tiesEmbeddings ?? false,
      ...(saysQuantized === undefined ? {} : { saysQuantized }),
    };
  } catch (error) {
    if (error instanceof MonoquantError) return { ...beside, fault: error };
    throw error;
  }
}

function wordsOf({ name, said }: NonNullable<ModelConfig['quantization']>): string {
  const method = 'quant_method' in said ? said.quant_method : undefined;
  const words = typeof method === 'string' ? ` ("${method}")` : '';
  return `${name}${words} in ${MODEL_CONFIG}`;
}

/** Throws where nothing can be made of the model, whatever its weights are. */
export function checkBeside({ fault, adapter }: BesideWeights): void {
  if (fault !== undefined) throw fault;
  if (adapter === undefined) return;
  throw new MonoquantError(
    'unsupported-format',
    `Expected the weights of a model, found an adapter with them: "${adapter}". Loaders would add it to what is written, or look for it in vain.`,
    {
      suggestion:
        'Merge it into the model first (merge_and_unload of PEFT), or move it away if the model is wanted without it.',
    },
  );
}
