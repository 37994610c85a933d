/**
 * The model that the page works on.
 * It exists apart because a finished run keeps it: the one that was open when it began.
 * Whoever opened it closes its handle: one engine does all that is done with it.
 */
import type { Catalog, Model, ModelSource } from 'monoquant';
import type { ModelName } from './model-files.js';

export interface OpenModel extends ModelName {
  readonly source: ModelSource;
  readonly handle: Model;
  readonly catalog: Catalog;
  /** A config.json that came with it. */
  readonly config: File | undefined;
}
