/**
 * Runs of the command on a disk that fails, and notes of what a run does to the disk (see faults.mjs).
 */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CLI, type Finished, start } from './cli.js';

export interface Fault {
  /** Of node:fs. */
  readonly call: string;
  /** A part of the path that it is about. */
  readonly path?: string;
  /** Of the system; EIO by default. */
  readonly error?: string;
  /** What it answers instead of failing. */
  readonly answer?: unknown;
  /** Only in the engine's threads, or only outside. */
  readonly inThread?: boolean;
  /** How many such calls go well before, in each thread. */
  after?: number;
  /** How often, in each thread; always by default. */
  times?: number;
}

export interface DiskCall {
  readonly call: string;
  readonly path: string;
  /** Of the file, if it is open. */
  readonly size?: number;
}

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'faults.mjs')).href;

/** The command with these words. */
export function faulty(faults: readonly Fault[], ...words: string[]): Promise<Traced> {
  return traced([CLI, ...words], faults);
}

export interface Traced extends Finished {
  readonly calls: readonly DiskCall[];
}

/** Node with these words. */
export async function traced(
  words: readonly string[],
  faults: readonly Fault[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Traced> {
  const log = join(tmpdir(), `monoquant-calls-${process.pid}-${Math.random()}`);
  const settings = JSON.stringify({ log, faults });
  const options = { env: { ...process.env, ...env, MONOQUANT_FAULTS: settings } };
  const finished = await start(process.execPath, ['--import', PRELOAD, ...words], options).finished;
  const lines = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  rmSync(log);
  return { ...finished, calls: lines.map((line) => JSON.parse(line) as DiskCall) };
}
