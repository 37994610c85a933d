/**
 * The head of a language model where its configuration ties it to the embedding (`tie_word_embeddings`): loaders put
 * the embedding in its place, whatever the file has for it, and none of them takes codes for an embedding.
 */
import type { PlannedTensor } from './types.js';

type Planned = Pick<PlannedTensor, 'name' | 'kind' | 'decision' | 'shape'>;

/**
 * Names that no kind tells: what transformers' classes call the layers of `_tied_weights_keys`. None of them is in a
 * numbered layer.
 */
const HEAD =
  /^(\D*\.)?(lm_head|proj_out|output_projection|lm_loss|pred_layer\.proj|(lm_head|predictions|mlm_score|head)\.(decoder|out_proj))\.weight$/;

/** A quantized tensor that would be that head, or the embedding in its place. */
export interface QuantizedTie {
  readonly name: string;
  readonly isHead: boolean;
}

/** The head, if both are quantized; undefined where neither is. */
export function quantizedTie(tensors: readonly Planned[]): QuantizedTie | undefined {
  const embeddings = tensors.filter(({ kind }) => kind === 'embedding');
  const shapes = embeddings.map(shapeText);
  const isHead = (tensor: Planned) =>
    tensor.decision === 'quantize' &&
    tensor.kind !== 'embedding' &&
    (tensor.kind === 'head' || HEAD.test(tensor.name)) &&
    // A classifier has other rows. Where there is no embedding, the head is stored in its place.
    (shapes.length === 0 || shapes.includes(shapeText(tensor)));
  const head = tensors.find(isHead);
  if (head !== undefined) return { name: head.name, isHead: true };
  // Positions and types are tables, too. Words are the most.
  const rows = ({ shape: [rows = 0] }: Planned) => rows;
  const [words] = [...embeddings].sort((a, b) => rows(b) - rows(a));
  return words?.decision === 'quantize' ? { name: words.name, isHead: false } : undefined;
}

function shapeText({ shape }: Planned): string {
  return shape.join('×');
}
