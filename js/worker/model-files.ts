/**
 * The files of a model in the worker: each is opened, unpacked if it is compressed, and all are joined into one source.
 */
import type { Engine } from '../engine/engine.js';
import type { OnStageProgress } from '../engine/pipeline.js';
import { isShards, joinParts, joinShards, type OneOrShards } from '../engine/shards.js';
import { type OnUnpack, type Unpacked, type UnpackHost, unpacked } from '../engine/unpack.js';
import type { ByteSource } from '../io/byte-source.js';
import type { OpenedSource } from './engine-file.js';

export interface OpeningHost<Source> extends UnpackHost<Source> {
  openSource(source: Source): Promise<ByteSource>;
}

/** One after the other: each may have to be unpacked. */
export async function openFiles<Source>(
  host: OpeningHost<Source>,
  source: OneOrShards<Source>,
  onProgress: OnStageProgress | undefined,
): Promise<readonly Unpacked<Source>[]> {
  const onUnpack: OnUnpack | undefined =
    onProgress && ((bytes, totalBytes) => onProgress(bytes, totalBytes, ''));
  const opened: Unpacked<Source>[] = [];
  try {
    for (const file of isShards(source) ? source.shards.map((shard) => shard.source) : [source]) {
      opened.push(await unpacked(await host.openSource(file), host, onUnpack));
    }
  } catch (error) {
    for (const file of opened) await file.source.close?.();
    throw error;
  }
  return opened;
}

/** Several files of one model are one source to all the rest. */
export async function joinFiles<Source>(
  engine: Engine,
  source: OneOrShards<Source>,
  files: readonly Unpacked<Source>[],
): Promise<OpenedSource> {
  const isPacked = files.some((file) => file.packedBytes !== undefined);
  const sizes = files.map((file) => file.packedBytes ?? file.source.size);
  const packedBytes = isPacked ? sizes.reduce((sum, bytes) => sum + bytes, 0) : undefined;
  const [first] = files;
  if (!isShards(source) && first !== undefined) {
    return { source: first.source, ends: [], problems: [], packedBytes };
  }
  const { shards = [], weightMap } = isShards(source) ? source : {};
  const open = files.map((file, index) => ({
    name: shards[index]?.name ?? '',
    source: file.source,
  }));
  const isSplitGguf = open.every(({ name }) => /\.gguf(\.zst)?$/i.test(name));
  const joined = isSplitGguf ? joinParts(open) : await joinShards(engine, open, weightMap);
  return { ...joined, packedBytes };
}

/** The same files, those that were unpacked as they are now. */
export function withShared<Source>(
  source: OneOrShards<Source>,
  files: readonly Unpacked<Source>[],
): OneOrShards<Source> {
  if (!isShards(source)) return files[0]?.shared ?? source;
  const shards = source.shards.map((shard, index) => ({
    name: shard.name,
    source: files[index]?.shared ?? shard.source,
  }));
  return { ...source, shards };
}
