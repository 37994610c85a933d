/**
 * The model that the page works on.
 * It exists apart because a finished run keeps it: the one that was open when it began.
 * Whoever opened it closes its handle: one engine does all that is done with it.
 */
import { type Catalog, load, type Model, type ModelSource, type OpenOptions } from 'monoquant';

export interface ModelName {
  /** As it is shown. */
  readonly name: string;
  /** As the command takes it: a file, a URL, or a folder, which ends in a slash. */
  readonly path: string;
  /** Whether it is a folder, of which all that belongs to the model was given. */
  readonly folder?: boolean;
}

export interface OpenModel extends ModelName {
  readonly source: ModelSource;
  readonly handle: Model;
  /** With codes and what belongs to them as one tensor, where that can be read. */
  readonly catalog: Catalog;
  /** Whether weights of it are codes already. */
  readonly hasCodes: boolean;
  /** A config.json that came with it. */
  readonly config: File | undefined;
  /** Files that came with it and are no part of it. */
  readonly beside: readonly File[];
  /** Those of them that are weights themselves: nobody should think that they were read. */
  readonly notOpened: readonly string[];
  /** Whether it is the demonstration's: then that begins at once. */
  readonly isSample?: boolean;
  /** Lets go of what it is read with, after its handle. */
  readonly release?: () => void;
}

/** Before it was opened. */
export type GivenModel = Omit<OpenModel, 'handle' | 'catalog' | 'hasCodes'>;

/** What is in it: codes, their scales and the like as the tensors that they stand for, if their layout is known. */
export async function lookInto(
  { source }: GivenModel,
  { catalog }: Model,
  opening: OpenOptions,
): Promise<Pick<OpenModel, 'catalog' | 'hasCodes'>> {
  const isQuantized = catalog.tensors.some(({ quantization }) => quantization !== undefined);
  if (catalog.foreign.length === 0) return { catalog, hasCodes: isQuantized };
  try {
    const loaded = await load(source, opening);
    await loaded.close();
    return { catalog: loaded.catalog, hasCodes: true };
  } catch {
    // A layout that is not read here: its parts are shown as they are.
    return { catalog, hasCodes: true };
  }
}
