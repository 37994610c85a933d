/**
 * The files of one model as one safetensors file that nobody had to write.
 * Files follow one another by name, whoever listed them: the same files, the same bytes.
 */

import { DANGERS } from '../api/catalog.js';
import { MonoquantError } from '../api/errors.js';
import { parseJson } from '../api/json.js';
import { JsonObjectText } from '../api/json-object-text.js';
import type { WeightMap } from '../api/model-files.js';
import type { Catalog, LeftOut, Problem, TensorInfo } from '../api/types.js';
import type { ByteSource } from '../io/byte-source.js';
import { JoinedSource, MemorySource, type SourcePart } from '../io/joined-source.js';
import { deleteQuietly, type Engine } from './engine.js';

/** Files that are one model, as a host names its files. */
export interface Shards<Source> {
  /** Sorted by name, so that what comes out does not depend on who listed them. */
  readonly shards: readonly { readonly name: string; readonly source: Source }[];
  /** Where an index says what is in which of them. */
  readonly weightMap?: WeightMap | undefined;
}

/** A model as a host names it. */
export type OneOrShards<Source> = Source | Shards<Source>;

export function isShards<Source>(source: OneOrShards<Source>): source is Shards<Source> {
  return typeof source === 'object' && source !== null && 'shards' in source;
}

export interface OpenShard {
  readonly name: string;
  readonly source: ByteSource;
}

export interface JoinedShards {
  readonly source: ByteSource;
  /** Where in it each file ends but the last; empty if there is one only. */
  readonly ends: readonly number[];
  /** Where the index and the files contradict each other. */
  readonly problems: readonly Problem[];
  /** What the catalog of one file says, and that of all does not know; absent if there is one only. */
  readonly facts?: ShardFacts;
}

/** What files have besides tensors. */
export interface ShardFacts
  extends Pick<Catalog, 'format' | 'leftOut' | 'globals' | 'opaque' | 'code'> {}

interface ReadShard extends OpenShard {
  readonly catalog: Catalog;
  /** Those that are read from this file, in the order of their bytes. */
  readonly tensors: readonly TensorInfo[];
  /** Of its metadata, those of tied names among them, in the order of the file. */
  readonly notes: readonly (readonly [key: string, value: string])[];
}

/**
 *  0        8                    8+N          8+N+a          8+N+a+b
 *  +--------+--------------------+------------+--------------+-- ... --+
 *  | u64 N  | N bytes of JSON    | data of a  | data of b    |         |
 *  +--------+--------------------+------------+--------------+-- ... --+
 * The JSON is made here, from the headers of all files; N is a multiple of 8. The data are the files' own, without
 * what the index takes from another file.
 */
export async function joinShards(
  engine: Engine,
  shards: readonly OpenShard[],
  weightMap: WeightMap | undefined,
): Promise<JoinedShards> {
  const all: ReadShard[] = [];
  for (const shard of shards) {
    const catalog = await readShard(engine, shard);
    const notes = await readNotes(shard.source, catalog);
    all.push({ ...shard, catalog, tensors: ownTensors(catalog), notes });
  }
  const { read, superseded } = followIndex(all, weightMap);
  const problems = indexProblems(holdersOf(read), read, weightMap);
  const data = read.flatMap(({ source, tensors }) =>
    tensors.map(
      ({ offset, bytes }): SourcePart => ({ source, begin: offset, end: offset + bytes }),
    ),
  );
  const header = new MemorySource(headerOf(read));
  const source = new JoinedSource([
    { source: header, begin: 0, end: header.size },
    ...contiguous(data),
  ]);
  return { source, ends: endsOf(read, header.size), problems, facts: factsOf(read, superseded) };
}

/** Members of archives are told with the name of their file; names of classes are the same in all. */
function factsOf(shards: readonly ReadShard[], superseded: readonly LeftOut[]): ShardFacts {
  const catalogs = shards.map(({ catalog }) => catalog);
  const globals = new Map(
    catalogs.flatMap(({ globals }) => globals.map((each) => [`${each.module}.${each.name}`, each])),
  );
  const inFile = (file: string, part: string) => `${file}/${part}`;
  return {
    format: catalogs[0]?.format ?? 'safetensors',
    globals: [...globals.values()].sort(
      (a, b) => DANGERS.indexOf(b.danger) - DANGERS.indexOf(a.danger),
    ),
    opaque: shards.flatMap(({ name, catalog }) =>
      catalog.opaque.map(({ member, reason }) => ({ member: inFile(name, member), reason })),
    ),
    code: shards.flatMap(({ name, catalog }) => catalog.code.map((each) => inFile(name, each))),
    leftOut: [
      ...shards.flatMap(({ name, catalog }) =>
        catalog.leftOut.map((left) => ({ ...left, name: inFile(name, left.name) })),
      ),
      ...superseded,
    ],
  };
}

/** Behind `position` the data of one file follow those of the one before it. */
function endsOf(shards: readonly ReadShard[], position: number): readonly number[] {
  const ends: number[] = [];
  let end = position;
  for (const { tensors } of shards.slice(0, -1)) {
    end += tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    ends.push(end);
  }
  return ends;
}

/** Without a part for each tensor: all of a file is one, as a rule. */
function contiguous(parts: readonly SourcePart[]): SourcePart[] {
  const runs: SourcePart[] = [];
  for (const part of parts) {
    const last = runs.at(-1);
    const continues = last?.source === part.source && last.end === part.begin;
    if (last !== undefined && continues) runs.splice(-1, 1, { ...last, end: part.end });
    else runs.push(part);
  }
  return runs;
}

/**
 * Of tensors that several files have, those are read that the index points to: tools that change a few weights write
 * them to one more file, and loaders go by the index.
 */
function followIndex(
  shards: readonly ReadShard[],
  weightMap: WeightMap | undefined,
): { readonly read: readonly ReadShard[]; readonly superseded: readonly LeftOut[] } {
  const isListed = (shard: ReadShard, name: string) => weightMap?.get(name) === shard.name;
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

async function readShard(engine: Engine, { name, source }: OpenShard): Promise<Catalog> {
  let catalog: Catalog;
  try {
    const inspector = await engine.inspect(source, {});
    try {
      catalog = parseJson(inspector.catalog());
    } finally {
      deleteQuietly(inspector);
    }
  } catch (error) {
    throw inShard(name, error);
  }
  if (catalog.format !== 'npz') {
    const odd = ownTensors(catalog).find((tensor) => !isPlain(tensor));
    if (odd === undefined) return catalog;
    throw new MonoquantError(
      'unsupported-format',
      `Expected tensors that are runs of plain values, as files of one model have them, found another one in "${name}": "${odd.name}".`,
      { suggestion: 'Convert each file to .safetensors first.', tensor: odd.name },
    );
  }
  throw new MonoquantError(
    'unsupported-format',
    `Expected weights, as a model of several files has them, found ${catalog.format} in "${name}".`,
    { suggestion: 'Convert it to .safetensors first, or give it alone.' },
  );
}

/** Whether its bytes can be read as they are: PyTorch's files may hold others. */
function isPlain({ dtype, assembled }: TensorInfo): boolean {
  return assembled !== true && dtype !== 'C32' && dtype !== 'C128';
}

/** The file that each name is in: every tensor is in one only. */
function holdersOf(shards: readonly ReadShard[]): ReadonlyMap<string, string> {
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
function indexProblems(
  holders: ReadonlyMap<string, string>,
  shards: readonly ReadShard[],
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

/** `shards` in the order of their data. */
function headerOf(shards: readonly ReadShard[]): Uint8Array {
  const metadata = new Map<string, string>();
  const entries: string[] = [];
  let position = 0;
  for (const { tensors, notes } of shards) {
    for (const [key, value] of notes) if (!metadata.has(key)) metadata.set(key, value);
    for (const { name, dtype, shape, bytes } of tensors) {
      const place = { dtype, shape, data_offsets: [position, position + bytes] };
      entries.push(member(name, place));
      position += bytes;
    }
  }
  const notes = [...metadata].map(([key, value]) => member(key, value));
  const members = notes.length === 0 ? entries : [`"__metadata__":{${notes.join()}}`, ...entries];
  const json = new TextEncoder().encode(`{${members.join()}}`);
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return header;
}

/** As text, because objects put keys that look like numbers first. */
function member(key: string, value: unknown): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

/** Those that have bytes of their own. */
function ownTensors({ tensors }: Catalog): readonly TensorInfo[] {
  return tensors.filter(({ tiedTo }) => tiedTo === undefined);
}

/**
 * From the header itself, which the engine has checked: objects put keys that look like numbers first. A pickle has no
 * notes, but ties, which are notes here.
 */
async function readNotes(source: ByteSource, catalog: Catalog): Promise<ReadShard['notes']> {
  if (catalog.format !== 'safetensors') {
    return catalog.tensors.flatMap(({ name, tiedTo }) =>
      tiedTo === undefined ? [] : [[name, tiedTo] as const],
    );
  }
  const isTied = ({ tiedTo }: TensorInfo) => tiedTo !== undefined;
  if (Object.keys(catalog.metadata).length === 0 && !catalog.tensors.some(isTied)) return [];
  const length = new Uint8Array(8);
  await source.read(0, length);
  const header = new Uint8Array(Number(new DataView(length.buffer).getBigUint64(0, true)));
  await source.read(length.length, header);
  const notes = JsonObjectText.parse(new TextDecoder().decode(header))?.object('__metadata__');
  return (notes?.entries() ?? []) as ReadShard['notes'];
}

function inShard(name: string, error: unknown): unknown {
  if (!(error instanceof MonoquantError) || error.message.includes(name)) return error;
  const { code, message, suggestion, tensor, offset, cause } = error;
  const details = { suggestion, tensor, offset, cause };
  return new MonoquantError(code, `In "${name}": ${message}`, details);
}
