/**
 * Open files as threads tell each other of them, and as the file system tells them apart.
 * It exists because the main thread opens and closes what the engine's thread reads and writes.
 * A descriptor belongs to the whole process, except in Deno; it stays open until the engine's thread has ended.
 */
import { type BigIntStats, fstatSync, openSync, statSync } from 'node:fs';

export interface OpenFile {
  readonly descriptor: number;
  /** How messages name it. */
  readonly path: string;
  /** Where it lies while it is open. */
  readonly place: string;
}

/** A file that is being written, and what decides whether there is room for it. */
export interface OutputPlace extends OpenFile {
  /** Whose disk it is on. */
  readonly folder: string;
  /** Bytes that go to the same disk with it. */
  readonly besides: number;
  /** If only one of so many equal parts of it is written. */
  readonly parts?: number;
}

/** Files that follow one another as one output; none if it is to be dropped. */
export type OutputPlaces = readonly (OutputPlace & { readonly size: number })[];

export interface SizedFile extends OpenFile {
  readonly size: number;
}

/** What stays the same whatever names and links lead to a file. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** In Deno each thread has descriptors of its own: there a file is opened once more, until the thread ends. */
export function inThisThread<File extends OpenFile>(file: File, flags: 'r' | 'r+'): File {
  return 'Deno' in globalThis ? { ...file, descriptor: openSync(file.place, flags) } : file;
}

export function statOf(descriptor: number): BigIntStats {
  return fstatSync(descriptor, { bigint: true });
}

/** Whether `path`, through links or not, leads to that file. */
export function leadsTo(path: string, { dev, ino }: FileIdentity): boolean {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found !== undefined && found.dev === dev && found.ino === ino;
}
