/**
 * How a budget was shared out, as people read it.
 */
import type { Mix } from '../../api/mix.js';
import type { PlainFact } from '../facts.js';
import { formatBytes, formatPlural, formatShare } from '../format.js';

export function mixFacts(mix: Mix | undefined): readonly PlainFact[] {
  if (mix === undefined) return [];
  const { budget, bytes, budgetBytes, bitsPerWeight, parts } = mix;
  const all = parts.reduce((sum, { weights }) => sum + weights, 0);
  const used = `${formatBytes(bytes)} of ${formatBytes(budgetBytes)}`;
  return [
    ['budget', `${budget}: ${bitsPerWeight.toFixed(2)} bits a weight of these layers, ${used}`],
    ...parts.map(({ label, tensors, weights }): PlainFact => {
      return ['', `${label}: ${formatPlural(tensors, 'tensor')}, ${formatShare(weights, all)}`];
    }),
    ['', gainWords(mix)],
  ];
}

/** What mixing has brought, by the measure that it was chosen by; that measure is not the model. */
function gainWords({ score, bound, uniform }: Mix): string {
  if (uniform === undefined) return 'no setting for all layers alike fits the budget';
  if (score >= uniform.score) {
    return `next to nothing is to be gained over ${uniform.label} for all of them, so they have that`;
  }
  const percent = (loss: number) => `${((1 - loss / uniform.score) * 100).toFixed(0)} %`;
  return `${percent(score)} less weighted error than ${uniform.label} for all, of ${percent(bound)} that are possible; what that is worth only the model itself can tell`;
}
