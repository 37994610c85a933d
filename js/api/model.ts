/**
 * An open model as callers see it.
 * It exists so that both entries of the package hand out the same thing.
 * It holds a worker until `close`, but never keeps the process alive.
 */
import type { PlanOptions } from './plan-options.js';
import type { Catalog, Plan } from './types.js';

export interface Model {
  /** What is in the file. */
  readonly catalog: Catalog;
  /** What `quantize` with these options would do. Reads nothing but metadata. */
  plan(options?: PlanOptions): Promise<Plan>;
  close(): Promise<void>;
}
