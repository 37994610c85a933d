/**
 * Which tensors a budget has chosen for, so that plans and reports say so: nobody has written an override.
 */
import { resolvePatterns } from '../api/patterns.js';
import type { Configuration, PlannedTensor } from '../api/types.js';
import type { TensorChoices } from '../engine/engine-options.js';

/**
 * Tensors of a plan, in the catalog's order, with who chose for them: the engine knows one kind of override, whoever
 * made it.
 */
export function withBudgetReasons<Tensor extends Pick<PlannedTensor, 'name' | 'reason'>>(
  tensors: readonly Tensor[],
  configuration: Configuration,
  choices: readonly TensorChoices[],
): readonly Tensor[] {
  const names = tensors.map(({ name }) => name);
  const { overrides } = resolvePatterns({ ...configuration, ignore: [] }, names);
  const byBudget = new Set(choices.flatMap((each) => each.tensors));
  for (const { tensors: overridden } of overrides) {
    for (const index of overridden) byBudget.delete(index);
  }
  return tensors.map((tensor, index) =>
    tensor.reason === 'override' && byBudget.has(index)
      ? { ...tensor, reason: 'budget' as const }
      : tensor,
  );
}
