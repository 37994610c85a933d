/**
 * The head of a language model where its configuration ties it to the embedding (`tie_word_embeddings`): loaders put
 * the embedding in its place, whatever the file has for it.
 */
import type { PlannedTensor } from './types.js';

type Planned = Pick<PlannedTensor, 'name' | 'kind' | 'decision' | 'shape'>;

/**
 * Names that no kind tells: what transformers' classes call the layers of `_tied_weights_keys`. None of them is in a
 * numbered layer.
 */
const HEAD =
  /^(\D*\.)?(lm_head|proj_out|output_projection|lm_loss|pred_layer\.proj|(lm_head|predictions|mlm_score|head)\.(decoder|out_proj))\.weight$/;

/** The name of a quantized tensor that would be that head; undefined where there is none. */
export function quantizedHead(tensors: readonly Planned[]): string | undefined {
  const embeddings = tensors.filter(({ kind }) => kind === 'embedding').map(shapeText);
  const isHead = (tensor: Planned) =>
    tensor.decision === 'quantize' &&
    tensor.kind !== 'embedding' &&
    (tensor.kind === 'head' || HEAD.test(tensor.name)) &&
    // A classifier has other rows. Where there is no embedding, the head is stored in its place.
    (embeddings.length === 0 || embeddings.includes(shapeText(tensor)));
  return tensors.find(isHead)?.name;
}

function shapeText({ shape }: Planned): string {
  return shape.join('×');
}
