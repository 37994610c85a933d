/**
 * A variant of the classifier: the values that the engine gives for what it would write, and how large that file is.
 * It exists so that every answer on the page is that of a file, read back as anybody would read it.
 */
import { load, type Model, type ModelSource, type PlanOptions, type Tensors } from 'monoquant';
import { SHAPES, type Weights } from './network.js';

export interface Variant {
  readonly weights: Weights;
  /** Of the file. */
  readonly bytes: number;
}

export async function variantOf(file: ModelSource, bytes: number): Promise<Variant> {
  const tensors = await load(file);
  try {
    return { weights: await weightsOf(tensors), bytes };
  } finally {
    await tensors.close();
  }
}

export async function weightsOf(tensors: Pick<Tensors, 'tensor'>): Promise<Weights> {
  const weights: Record<string, Float32Array> = {};
  for (const name of Object.keys(SHAPES)) {
    const values = (await tensors.tensor(name)).toTypedArray();
    weights[name] = values instanceof Float32Array ? values : Float32Array.from(values, Number);
  }
  return weights;
}

/** Quantized by the engine into a file, which is read back and let go of. */
export async function quantizedVariant(model: Model, options: PlanOptions): Promise<Variant> {
  const result = await model.quantize(options);
  try {
    return await variantOf(result.blob(), result.report.sizes.outputBytes);
  } finally {
    await result.close();
  }
}
