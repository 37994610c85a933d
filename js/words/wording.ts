/**
 * Plain words for what a plan decides, and why.
 * It exists so that the dry run, the report and the page say the same thing with the same words.
 * Full sentences, with numbers and names, come from the engine (`explanation`).
 */
import type {
  Configuration,
  FileFormat,
  PlannedTensor,
  Reason,
  StoredCodes,
} from '../api/types.js';
import type { Warning } from '../api/warning.js';

export const REASON_WORDS: Readonly<Record<Reason, string>> = {
  requested: 'as requested',
  override: 'by override',
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
};

export const FORMAT_WORDS: Readonly<Record<FileFormat, string>> = {
  safetensors: 'safetensors',
  npz: 'NumPy archive (npz)',
  'torch-zip': 'PyTorch (zip)',
  'torch-legacy': 'PyTorch before 1.6 (pickle stream)',
  'torch-tar': 'PyTorch before 0.2 (tar)',
  torchscript: 'TorchScript',
  'torch-export': 'torch.export (.pt2)',
};

/** `int8 channel`, `int4 group 64 mse`, `F16`, `copy: one-dimensional`. */
export function decisionWords({ decision, reason, quantization, outputs }: PlannedTensor): string {
  const because = reason === 'requested' ? '' : `: ${REASON_WORDS[reason]}`;
  if (decision !== 'quantize' && decision !== 'convert') return `${decision}${because}`;
  if (quantization === undefined) return `${outputs[0]?.dtype ?? 'convert'}${because}`;
  const { bits, scheme, strategy, groupSize, method } = quantization;
  const sharing = strategy === 'group' ? `group ${groupSize}` : strategy;
  const words = [
    `int${bits}`,
    scheme === 'asymmetric' && scheme,
    sharing,
    method === 'mse' && method,
  ];
  return `${words.filter(Boolean).join(' ')}${because}`;
}

/** `INT4 group 64`, `INT8 channel asymmetric`, `FP8 block 128×128`. */
export function codesWords(codes: StoredCodes): string {
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

/** `8 bits, symmetric, one scale per channel, dynamic activations`: what was asked for, and where less could be had. */
export function configurationWords({
  configuration,
  warnings,
}: {
  readonly configuration: Configuration;
  readonly warnings: readonly Warning[];
}): string {
  const { bits, mode, scheme, strategy, groupSize, method, floatType, overrides } = configuration;
  const exceptions = overrides.length === 0 ? [] : ['except by overrides'];
  if (bits === 16) return [floatType, ...exceptions].join(', ');
  const fewer = warnings.some(({ code }) => code === 'group-fallback') ? ' or fewer' : '';
  const sharing =
    strategy === 'group'
      ? `one scale for ${groupSize} weights${fewer}`
      : `one scale per ${strategy}`;
  const activations = mode === 'weights-only' ? 'weights only' : `${mode} activations`;
  const searched = method === 'mse' ? ['scales searched'] : [];
  return [`${bits} bits`, scheme, sharing, ...searched, activations, ...exceptions].join(', ');
}
