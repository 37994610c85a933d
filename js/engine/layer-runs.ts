/**
 * What executing layers says about a file's tensors.
 * It exists so that the engine's layers, some of two tensors, become runs of each tensor.
 * A layer that is left out, or failed, has no run.
 */
import type { LayerRun, Problem } from '../api/types.js';
import type { TrialLayer, TrialResult } from './wasm.js';

/** By the name of the tensor. */
export function layerRuns(trial: TrialResult | undefined): ReadonlyMap<string, LayerRun> {
  const runs = new Map<string, LayerRun>();
  for (const layer of trial?.layers ?? []) {
    const run = runOf(layer);
    if (run === undefined) continue;
    for (const name of layer.tensors) runs.set(name, run);
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
