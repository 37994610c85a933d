/**
 * Whether what is planned fits what stands beside the weights: loaders believe a configuration before any tensor.
 * Runs and plans share the rules and the words.
 */
import type { BesideWeights } from '../api/beside-weights.js';
import { MonoquantError } from '../api/errors.js';
import { option, say } from '../api/sentence.js';
import type { QuantizedTie } from '../api/tied-head.js';
import type { Configuration } from '../api/types.js';

/**
 * Of a plan for weights that are plain numbers: codes have been refused. `quantizedTie` is the tensor that would
 * be the head or what stands for it, if there is one.
 */
export function checkPlanned(
  { saysQuantized, tiesEmbeddings }: BesideWeights,
  { bits, requantize, container, format }: Configuration,
  quantizedTie: QuantizedTie | undefined,
): void {
  if (bits === 'none') return;
  if (saysQuantized !== undefined && !requantize) throw saidOtherwise(saysQuantized);
  // llama.cpp and MLX multiply with the codes of their embeddings; all others have floats there.
  const takesCodes = container === 'gguf' || format === 'mlx';
  if (tiesEmbeddings && quantizedTie !== undefined && !takesCodes) throw tied(quantizedTie);
}

/**
 * With what the engine does not know: which option helps; and that a pattern of the head matches nothing because the
 * file has no tensor for it.
 */
export function explained(error: unknown, { tiesEmbeddings }: BesideWeights): unknown {
  if (error instanceof MonoquantError && error.code === 'already-quantized') {
    return new MonoquantError(error.code, error.message, {
      suggestion: say`Begin with the original model. If there is none any more, ${option('requantize', true)} quantizes what the codes stand for.`,
      tensor: error.tensor,
      cause: error,
    });
  }
  const isUnmatched = error instanceof MonoquantError && error.code === 'pattern-unmatched';
  if (!isUnmatched || !tiesEmbeddings || !/"[^"]*(head|proj_out)[^"]*"/.test(error.message)) {
    return error;
  }
  return new MonoquantError(error.code, error.message, {
    suggestion:
      'The head of this model is the embedding (tie_word_embeddings in config.json): it has no tensor of its own, and stays as it is.',
    cause: error,
  });
}

function saidOtherwise(said: string): MonoquantError {
  return new MonoquantError(
    'already-quantized',
    `The weights are plain numbers, but what stands beside them says that they are quantized: ${said}.`,
    {
      suggestion: 'Remove it if the weights are floats, or begin with the original model.',
    },
  );
}

function tied({ name, isHead }: QuantizedTie): MonoquantError {
  const why = isHead
    ? 'so loaders put the embedding in its place'
    : 'and no loader takes codes for an embedding';
  return new MonoquantError(
    'invalid-options',
    `"${name}" cannot be quantized: the model's configuration says that the head is the embedding (tie_word_embeddings), ${why}.`,
    {
      suggestion: say`Leave it as it is, for instance with ${option('ignore')}.${isHead ? ' If it has numbers of its own, set tie_word_embeddings to false in config.json first.' : ''}`,
      tensor: name,
    },
  );
}
