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
import { followIndex, holdersOf, indexProblems, type ListedShard } from './shard-index.js';

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
  /** The files are one behind the other as they are, and the engine reads each for itself. */
  readonly isRaw?: true;
  /** What the catalog of one file says, and that of all does not know; absent if there is one only. */
  readonly facts?: ShardFacts;
}

/** What files have besides tensors. */
export interface ShardFacts
  extends Pick<Catalog, 'format' | 'leftOut' | 'globals' | 'opaque' | 'code'> {}

interface ReadShard extends OpenShard, ListedShard {
  /** Of its metadata, those of tied names among them, in the order of the file. */
  readonly notes: readonly (readonly [key: string, value: string])[];
}

/** The parts of a split GGUF file, which only together have all keys. */
export function joinParts(parts: readonly OpenShard[]): JoinedShards {
  const source = new JoinedSource(
    parts.map(({ source }) => ({ source, begin: 0, end: source.size })),
  );
  let end = 0;
  const ends = parts.slice(0, -1).map((part) => {
    end += part.source.size;
    return end;
  });
  return { source, ends, problems: [], isRaw: true };
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
  checkKinds(all);
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
  if (catalog.format === 'npz') throw unexpectedKind(catalog, name, 'weights');
  const odd = ownTensors(catalog).find((tensor) => !isPlain(tensor));
  if (odd === undefined) return catalog;
  throw new MonoquantError(
    'unsupported-format',
    `Expected tensors that are runs of plain values, as files of one model have them, found another one in "${name}": "${odd.name}".`,
    { suggestion: 'Convert each file to .safetensors first.', tensor: odd.name },
  );
}

/** Nobody divides a model into files of two kinds: one of them is another model's. */
function checkKinds(shards: readonly ReadShard[]): void {
  const isPickled = ({ catalog }: ReadShard) => catalog.format !== 'safetensors';
  const [first] = shards;
  const other = shards.find(
    (shard) => first !== undefined && isPickled(shard) !== isPickled(first),
  );
  if (other === undefined) return;
  const expected =
    first !== undefined && isPickled(first) ? 'a PyTorch file' : 'a safetensors file';
  throw unexpectedKind(other.catalog, other.name, expected);
}

function unexpectedKind({ format }: Catalog, name: string, expected: string): MonoquantError {
  return new MonoquantError(
    'unsupported-format',
    `Expected ${expected}, as the others of the model are, found ${format} in "${name}".`,
    { suggestion: 'Convert it to the kind of the others first, or give it alone.' },
  );
}

/** Whether its bytes can be read as they are: PyTorch's files may hold others. */
function isPlain({ dtype, assembled }: TensorInfo): boolean {
  return assembled !== true && dtype !== 'C32' && dtype !== 'C128';
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
