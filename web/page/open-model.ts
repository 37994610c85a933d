/**
 * The model that the page works on.
 * It exists apart because a finished run keeps it: the one that was open when it began.
 * Whoever opened it closes its handle: one engine does all that is done with it.
 */
import type { Catalog, Model, ModelSource } from 'monoquant';

export interface ModelName {
  /** As it is shown. */
  readonly name: string;
  /** As the command takes it: a file, a URL, or a folder, which ends in a slash. */
  readonly path: string;
}

export interface OpenModel extends ModelName {
  readonly source: ModelSource;
  readonly handle: Model;
  readonly catalog: Catalog;
  /** A config.json that came with it. */
  readonly config: File | undefined;
  /** Lets go of what it is read with, after its handle. */
  readonly release?: () => void;
}

/** Before it was opened. */
export type GivenModel = Omit<OpenModel, 'handle' | 'catalog'>;
