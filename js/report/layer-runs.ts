/**
 * What executing layers says about a file's tensors: the engine's layers, some of two tensors, become runs of each.
 */
import type { LayerRun, Problem, ValidatedTensor } from '../api/types.js';
import type { TrialLayer, TrialResult } from '../engine/wasm.js';

type Executed = Pick<ValidatedTensor, 'run' | 'notRun'>;

/** By the name of the tensor: how its layer did, or why it was not executed. */
export function layerRuns(trial: TrialResult | undefined): ReadonlyMap<string, Executed> {
  const runs = new Map<string, Executed>();
  for (const layer of trial?.layers ?? []) {
    const run = runOf(layer);
    const notRun = layer.leftOut ?? layer.failure;
    const executed = run === undefined ? notRun !== undefined && { notRun } : { run };
    for (const name of layer.tensors) if (executed) runs.set(name, executed);
  }
  return runs;
}

function runOf({ mode, inputs, samples, sqnrDb, cosine }: TrialLayer): LayerRun | undefined {
  if (mode === undefined || inputs === undefined || sqnrDb === undefined) return undefined;
  return { mode, inputs, samples: samples ?? 0, sqnrDb, cosine: cosine ?? 0 };
}

/** `told`: other problems. Outputs that a bad scale has spoilt are no news. */
export function runProblems(
  trial: TrialResult | undefined,
  told: readonly Problem[],
): readonly Problem[] {
  const spoilt = new Set(told.filter(({ code }) => code === 'bad-scale').map((p) => p.tensor));
  return (trial?.layers ?? []).flatMap(({ tensors, failure }): Problem[] => {
    const [tensor = ''] = tensors;
    if (failure === undefined || tensors.some((name) => spoilt.has(name))) return [];
    return [{ code: 'bad-output', message: `${tensor} was executed: ${lower(failure)}`, tensor }];
  });
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
