/**
 * What an index says of the files of a model, held against what the files say themselves.
 */
import { MonoquantError } from '../api/errors.js';
import type { WeightMap } from '../api/model-files.js';
import type { Catalog, LeftOut, Problem, TensorInfo } from '../api/types.js';

/** A file of a model, and what it lists. */
export interface ListedShard {
  readonly name: string;
  readonly catalog: Catalog;
  /** Those that are read from this file, in the order of their bytes. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Of tensors that several files have, those are read that the index points to: tools that change a few weights write
 * them to one more file, and loaders go by the index.
 */
export function followIndex<Shard extends ListedShard>(
  shards: readonly Shard[],
  weightMap: WeightMap | undefined,
): { readonly read: readonly Shard[]; readonly superseded: readonly LeftOut[] } {
  const isListed = (shard: ListedShard, name: string) => weightMap?.get(name) === shard.name;
  const found = new Set(
    shards.flatMap((shard) =>
      shard.tensors.flatMap(({ name }) => (isListed(shard, name) ? [name] : [])),
    ),
  );
  const superseded: LeftOut[] = [];
  const read = shards.map((shard) => {
    const tensors = shard.tensors.filter(({ name, bytes }) => {
      if (isListed(shard, name) || !found.has(name)) return true;
      const supersededBy = weightMap?.get(name) ?? '';
      const reason = `in "${shard.name}", but the index has it in "${supersededBy}"`;
      superseded.push({ name, reason, tensors: 1, bytes, lost: false, supersededBy });
      return false;
    });
    return { ...shard, tensors };
  });
  return { read, superseded };
}

/** The file that each name is in: every tensor is in one only. */
export function holdersOf(shards: readonly ListedShard[]): ReadonlyMap<string, string> {
  const holders = new Map<string, string>();
  for (const { name: file, tensors } of shards) {
    for (const { name } of tensors) {
      const other = holders.get(name);
      if (other !== undefined) {
        throw new MonoquantError(
          'malformed-file',
          `Expected each tensor in one file, found "${name}" in "${other}" and in "${file}".`,
          {
            suggestion:
              'Give only files of one model, and the index that says which of them counts, or download them again.',
            tensor: name,
          },
        );
      }
      holders.set(name, file);
    }
  }
  // A tied name is a note in the metadata of the file that it is in.
  for (const { name: file, catalog } of shards) {
    for (const { name } of catalog.tensors) if (!holders.has(name)) holders.set(name, file);
  }
  return holders;
}

/** Names that are not where the index has them, before names that it does not have. */
export function indexProblems(
  holders: ReadonlyMap<string, string>,
  shards: readonly ListedShard[],
  weightMap: WeightMap | undefined,
): readonly Problem[] {
  if (weightMap === undefined) return [];
  const code = 'index-mismatch';
  const misplaced = [...weightMap].flatMap(([tensor, file]): Problem[] => {
    const holder = holders.get(tensor);
    if (holder === file) return [];
    const found = holder === undefined ? 'it is nowhere' : `it is in "${holder}"`;
    const message = `Expected the tensor "${tensor}" in "${file}", as the index has it, but ${found}.`;
    return [{ code, message, tensor }];
  });
  const unlisted = shards.flatMap(({ name: file, tensors }) =>
    tensors.flatMap(({ name: tensor }): Problem[] => {
      if (weightMap.has(tensor)) return [];
      const message = `Expected every tensor in the index, but it lacks "${tensor}" of "${file}".`;
      return [{ code, message, tensor }];
    }),
  );
  return [...misplaced, ...unlisted];
}

/** A loader that looks for a tensor where the index has it finds none. One that the index lacks is read all the same. */
export function refuseMisplaced(
  problems: readonly Problem[],
  weightMap: WeightMap | undefined,
): void {
  const first = problems.find(({ tensor }) => weightMap?.has(tensor));
  if (first === undefined) return;
  throw new MonoquantError('malformed-file', first.message, {
    suggestion: 'Download the index and its files again: they do not belong together.',
    tensor: first.tensor,
  });
}
