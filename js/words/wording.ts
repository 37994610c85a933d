/**
 * Plain words for what a plan decides, and why.
 * It exists so that the dry run, the report and the page say the same thing with the same words.
 * Full sentences, with numbers and names, come from the engine (`explanation`).
 */
import type {
  Configuration,
  FileFormat,
  PlannedTensor,
  Quantization,
  Reason,
  StoredCodes,
  TensorReport,
} from '../api/types.js';
import { countBy } from './counts.js';
import { formatCount, formatPlural } from './format.js';

export const REASON_WORDS: Readonly<Record<Reason, string>> = {
  requested: 'as requested',
  override: 'by override',
  budget: 'by the budget',
  ignored: 'ignore pattern',
  'override-none': 'by override',
  'not-float': 'not floating point',
  'one-dimensional': 'one-dimensional',
  small: 'small',
  empty: 'empty',
  norm: 'norm',
  bias: 'bias',
  embedding: 'embedding',
  head: 'output head',
  router: 'router',
  'gpt2-conv1d': 'GPT-2 Conv1D',
  'layer-not-selected': 'kind not selected',
  'unknown-kind': 'unknown kind',
  'name-taken': 'name taken',
  sibling: 'with its siblings',
  'already-narrow': 'already narrow',
  'non-finite': 'NaN or infinity',
  overflow: 'out of range',
  tied: 'tied',
  'not-representable': 'no such dtype',
  dequantized: 'dequantized',
  'not-loadable': 'no loader takes it quantized',
  'weight-norm': 'weight norm',
  adapter: 'LoRA adapter',
  'no-gain': 'nothing gained',
  'left-out': 'not needed',
  folded: 'folded BatchNorm',
};

export const FORMAT_WORDS: Readonly<Record<FileFormat, string>> = {
  safetensors: 'safetensors',
  npz: 'NumPy archive (npz)',
  gguf: 'GGUF',
  imatrix: 'importance matrix of llama.cpp',
  'torch-zip': 'PyTorch (zip)',
  'torch-legacy': 'PyTorch before 1.6 (pickle stream)',
  'torch-tar': 'PyTorch before 0.2 (tar)',
  torchscript: 'TorchScript',
  'torch-export': 'torch.export (.pt2)',
};

/** `int8 channel`, `int4 group 64 mse`, `F16`, `copy: one-dimensional`. */
export function decisionWords({ decision, reason, quantization, outputs }: PlannedTensor): string {
  const because = reason === 'requested' ? '' : `: ${REASON_WORDS[reason]}`;
  if (decision === 'correct') return 'corrected';
  if (decision !== 'quantize' && decision !== 'convert') return `${decision}${because}`;
  if (quantization === undefined) return `${outputs[0]?.dtype ?? 'convert'}${because}`;
  const { bits, scheme, strategy, groupSize, method, blockType } = quantization;
  if (blockType !== undefined) return `${blockType}${because}`;
  const sharing = strategy === 'group' ? `group ${groupSize}` : strategy;
  const words = [
    `int${bits}`,
    scheme === 'asymmetric' && scheme,
    sharing,
    method !== 'rtn' && method,
  ];
  return `${words.filter(Boolean).join(' ')}${because}`;
}

/** How a tensor is stored in the output: `INT4 group 64`, `F16`. */
export function storedWords({
  quantization,
  outputs,
}: Pick<TensorReport, 'quantization' | 'outputs'>): string {
  if (quantization === undefined) return outputs[0]?.dtype ?? '';
  if (quantization.blockType !== undefined) return quantization.blockType;
  const words = codesWords({ type: 'int', ...quantization });
  const { codes, bits } = quantization;
  return codes === undefined ? words : words.replace(`INT${bits}`, codes);
}

/** `INT4 group 64`, `INT8 channel asymmetric`, `FP8 block 128×128`, `GGUF Q4_K`. */
export function codesWords(codes: StoredCodes): string {
  if (codes.blockType !== undefined) return `GGUF ${codes.blockType}`;
  const { bits, type, scheme, strategy, groupSize, blockSize = [] } = codes;
  const sizes = {
    group: ` ${groupSize}`,
    block: ` ${blockSize.join('×')}`,
    channel: '',
    tensor: '',
  };
  const sharing = `${strategy}${sizes[strategy]}`;
  return `${type === 'int' ? 'INT' : 'FP'}${bits} ${sharing}${scheme === 'asymmetric' ? ' asymmetric' : ''}`;
}

/**
 * `4 bits, symmetric, 12 tensors in groups of 64, 3 per channel, scales searched, weights only`: how those of
 * `tensors` that are quantized are stored, whatever was asked for.
 */
export function quantizationWords({
  configuration: { mode },
  tensors,
}: {
  readonly configuration: Pick<Configuration, 'mode'>;
  readonly tensors: readonly { readonly quantization?: Quantization }[];
}): string {
  const quantized = tensors.flatMap(({ quantization }) => quantization ?? []);
  const isGguf = quantized.some(({ blockType }) => blockType !== undefined);
  if (isGguf) {
    return countedWords(
      quantized,
      ({ blockType = '' }) => blockType,
      ({ blockType = '' }) => `as ${blockType}`,
    );
  }
  const searched = quantized.filter(({ method }) => method !== 'rtn').length;
  const fedBack = quantized.filter(({ method }) => method === 'gptq').length;
  const parts = [
    countedWords(
      quantized,
      ({ bits }) => `${bits} bits`,
      ({ bits }) => `in ${bits} bits`,
    ),
    countedWords(quantized, ({ scheme }) => scheme),
    countedWords(
      quantized,
      ({ strategy, groupSize }) =>
        strategy === 'group' ? `one scale for ${groupSize} weights` : `one scale per ${strategy}`,
      ({ strategy, groupSize }) =>
        strategy === 'group' ? `in groups of ${groupSize}` : `per ${strategy}`,
    ),
    searched > 0 && `${searched < quantized.length ? 'some ' : ''}scales searched`,
    fedBack > 0 && `${fedBack < quantized.length ? 'some ' : ''}errors fed back (gptq)`,
    mode === 'weights-only' ? 'weights only' : `${mode} activations`,
  ];
  return parts.filter(Boolean).join(', ');
}

/** `12 tensors to F16`, `9 tensors to F32, 3 to F16`: what tensors became that are floats as before. */
export function convertedWords(tensors: readonly Pick<TensorReport, 'outputs'>[]): string {
  const counts = countBy(tensors, ({ outputs }) => outputs[0]?.dtype ?? '');
  return counts
    .map(([dtype, count], index) =>
      index === 0
        ? `${formatPlural(count, 'tensor')} to ${dtype}`
        : `${formatCount(count)} to ${dtype}`,
    )
    .join(', ');
}

/** What is true of all, or else of how many: `12 tensors in groups of 64, 3 per channel`. */
function countedWords<Item>(
  items: readonly Item[],
  ofAll: (item: Item) => string,
  ofSome = ofAll,
): string {
  const counts = countBy(items, ofSome);
  if (counts.length < 2) return items[0] === undefined ? '' : ofAll(items[0]);
  return counts
    .map(([words, count], index) =>
      index === 0 ? `${formatPlural(count, 'tensor')} ${words}` : `${formatCount(count)} ${words}`,
    )
    .join(', ');
}
