/**
 * An open model as callers see it.
 * It exists so that both entries of the package hand out the same thing.
 * It holds a worker until `close`, but never keeps the process alive.
 */
import type { PlanOptions } from './plan-options.js';
import type { TensorData } from './tensor-data.js';
import type { Catalog, Plan } from './types.js';

/** The tensors of a file, read when they are asked for. */
export interface Tensors {
  /** What is in the file. */
  readonly catalog: Catalog;
  /** The content of one tensor; where it is stored as codes and parts were joined, its values. */
  tensor(name: string): Promise<TensorData>;
  /** All tensors in the order of the file, one at a time. */
  [Symbol.asyncIterator](): AsyncIterator<TensorData>;
  close(): Promise<void>;
}

export interface Model extends Tensors {
  /** What `quantize` with these options would do. Reads nothing but metadata. */
  plan(options?: PlanOptions): Promise<Plan>;
}
