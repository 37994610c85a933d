/**
 * Models of several files: tensors dealt out to numbered files, and the index beside them.
 * It exists so that what is read from many files is judged by the one file that they stand for.
 * The one file is written by the tests' own writer, from the tensors.
 */
import type { Bytes, DataFile } from '../host/host.js';
import { type Notes, type Tensor, writeSafetensors } from './safetensors.js';

export interface Part {
  readonly tensors: readonly Tensor[];
  readonly metadata?: Notes;
}

export const INDEX = 'model.safetensors.index.json';

export function shardName(number: number, count: number): string {
  const [first, last] = [number, count].map((part) => String(part).padStart(5, '0'));
  return `model-${first}-of-${last}.safetensors`;
}

export function shardsOf(parts: readonly Part[]): DataFile[] {
  return parts.map(({ tensors, metadata }, index) => ({
    name: shardName(index + 1, parts.length),
    bytes: writeSafetensors(tensors, metadata),
  }));
}

/** What is in the same place of which file, as one file has it. */
export function joined(parts: readonly Part[]): Bytes {
  // Of notes of one name the first counts. A map, because any name may be one, such as `constructor`.
  const metadata = new Map<string, string>();
  for (const part of parts) {
    const notes = part.metadata ?? {};
    for (const [key, value] of notes instanceof Map ? notes : Object.entries(notes)) {
      if (!metadata.has(key)) metadata.set(key, value);
    }
  }
  const tensors = parts.flatMap((part) => part.tensors);
  return writeSafetensors(tensors, metadata);
}

/** Tensors dealt out one by one. */
export function dealt(tensors: readonly Tensor[], count: number): Part[] {
  return Array.from({ length: count }, (_, part) => ({
    tensors: tensors.filter((_tensor, index) => index % count === part),
    metadata: { format: 'pt' },
  }));
}

export function textFile(name: string, content: string): DataFile {
  return { name, bytes: new TextEncoder().encode(content) };
}

/** As PowerShell's `>` and old editors write text: with a byte order mark, in two bytes a character or one. */
export const ENCODINGS = ['utf-8', 'utf-8 with a mark', 'utf-16le', 'utf-16be'] as const;

export function encoded(text: string, encoding: (typeof ENCODINGS)[number]): Bytes {
  if (encoding === 'utf-8') return new TextEncoder().encode(text);
  const marked = `\uFEFF${text}`;
  if (encoding === 'utf-8 with a mark') return new TextEncoder().encode(marked);
  const bytes = new Uint8Array(2 * marked.length);
  const view = new DataView(bytes.buffer);
  for (const [index, unit] of marked.split('').entries()) {
    view.setUint16(2 * index, unit.charCodeAt(0), encoding === 'utf-16le');
  }
  return bytes;
}

/** An index in which `tensor` is in `file`. */
export function indexFile(map: Readonly<Record<string, unknown>>, name = INDEX): DataFile {
  return textFile(name, JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
}

/** That of files that hold a tensor each. */
export function indexOf(parts: readonly Part[], files: readonly DataFile[]): DataFile {
  const entries = parts.flatMap(({ tensors }, part) =>
    tensors.map((tensor) => [tensor.name, files[part]?.name] as const),
  );
  return indexFile(Object.fromEntries(entries));
}
