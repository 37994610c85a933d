/**
 * The command line as a shell runs it: a process with its outputs, its exit and its folder.
 * It exists so that tests of the command are one call and one look at what came of it.
 * Processes are of dist/; nothing is a terminal; a folder is gone when its tests are done.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { elementsOf, headerOf, type Tensor, writeSafetensors } from './safetensors.js';

export const CLI = join(import.meta.dirname, '../../dist/node/cli.js');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

export function start(
  program: string,
  words: readonly string[],
  options: SpawnOptions = {},
): Running {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const read = (stream: NodeJS.ReadableStream | null) => {
    const chunks: Buffer[] = [];
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  };
  const stdout = read(child.stdout);
  const stderr = read(child.stderr);
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: stdout(), stderr: stderr() }));
  });
  return { child, finished };
}

export function monoquant(...words: string[]): Promise<Finished> {
  return start(process.execPath, [CLI, ...words]).finished;
}

/** A line of a shell in which `monoquant` is the command. */
export function shell(line: string): Promise<Finished> {
  const command = `monoquant() { '${process.execPath}' '${CLI}' "$@"; }; ${line}`;
  return start('bash', ['-c', command]).finished;
}

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'monoquant-cli-'));

  constructor() {
    afterAll(() => rmSync(this.path, { recursive: true, force: true }));
  }

  at(name: string): string {
    return join(this.path, name);
  }

  /** Returns its path. */
  write(name: string, tensors: readonly Tensor[]): string {
    writeFileSync(this.at(name), writeSafetensors(tensors, { format: 'pt' }));
    return this.at(name);
  }

  /** A model of `count` F32 matrices of zeros that takes no room on the disk. Returns its path. */
  writeSparse(name: string, count: number, shape: readonly number[]): string {
    const tensors = Array.from({ length: count }, (_, index) => ({
      name: `layers.${index}.weight`,
      dtype: 'F32' as const,
      shape,
      bytes: { length: elementsOf(shape) * 4 },
    }));
    const header = headerOf(tensors);
    const file = openSync(this.at(name), 'w');
    writeSync(file, header);
    ftruncateSync(file, header.length + count * elementsOf(shape) * 4);
    closeSync(file);
    return this.at(name);
  }

  list(): string[] {
    return readdirSync(this.path).sort();
  }

  /** The file in which an output grows; undefined while there is none. */
  partialOf(name: string): string | undefined {
    const begin = `.${name}.monoquant-`;
    const found = this.list().find(
      (other) => other.startsWith(begin) && other.endsWith('.partial'),
    );
    return found === undefined ? undefined : this.at(found);
  }

  has(name: string): boolean {
    return existsSync(this.at(name));
  }
}
