/**
 * The files of a run as its line in a log has them: names, sizes and digests.
 * It exists because digests cost a reading of each file: those of files that a log knows are not made again.
 */
import { createHash } from 'node:crypto';
import { type CalibrationInput, isCalibration } from '../../js/api/calibration.js';
import type { RunFile, RunRecord } from '../../js/api/run-record.js';
import { spokenName } from '../../js/api/spoken-url.js';
import { addressOf } from '../../js/url/address.js';
import { InputFile } from '../input-file.js';
import { ModelInput } from '../model-input.js';
import { type SizedFile, statOf } from '../open-file.js';
import { digestOf } from './file-digest.js';

/** Files that were changed shortly before they were read may have changed again within one tick of the clock. */
const SETTLED_MS = 2000;

/** Digests by what the file system says of files. */
export type KnownDigests = ReadonlyMap<string, string>;

export function knownDigests(runs: readonly RunRecord[]): KnownDigests {
  const known = new Map<string, string>();
  for (const { started, inputs, calibration } of runs) {
    for (const { stamp, sha256 } of [...inputs, ...calibration]) {
      const isSettled = stamp !== undefined && Date.parse(started) - changedAt(stamp) > SETTLED_MS;
      if (isSettled && sha256 !== null) known.set(stamp, sha256);
    }
  }
  return known;
}

export interface Digesting {
  readonly known: KnownDigests;
  readonly signal: AbortSignal | undefined;
  /** False: only what costs nothing. */
  readonly reads: boolean;
  /** Whether tensors have marks of their own. */
  readonly marks?: boolean;
}

export async function modelFiles(
  { parts, named, hasPath }: Pick<ModelInput, 'parts' | 'named' | 'hasPath'>,
  how: Digesting,
): Promise<readonly RunFile[]> {
  const files: RunFile[] = [];
  for (const { file, name, version } of parts) {
    if ('descriptor' in file) {
      files.push(await runFile(hasPath ? file.path : null, file, how));
      continue;
    }
    const isAlone = parts.length === 1 && addressOf(named)?.kind === 'file';
    files.push({
      name: isAlone ? spokenName(named) : name,
      bytes: file.size,
      sha256: null,
      ...(version === undefined ? {} : { version }),
    });
  }
  return files;
}

/** Files of captured inputs, and calibrations. They are opened by their names once more. */
export async function calibrationFiles(
  inputs: readonly CalibrationInput[],
  how: Digesting,
): Promise<readonly RunFile[]> {
  const files: RunFile[] = [];
  for (const input of inputs) files.push(await calibrationFile(input, how));
  return files;
}

async function calibrationFile(input: CalibrationInput, how: Digesting): Promise<RunFile> {
  if (isCalibration(input)) {
    const text = JSON.stringify(input);
    const sha256 = createHash('sha256').update(text).digest('hex');
    return { name: null, bytes: Buffer.byteLength(text), sha256 };
  }
  const isNamed = typeof input === 'string' || input instanceof URL;
  if (!isNamed || addressOf(input) !== undefined) {
    return { name: isNamed ? spokenName(String(input)) : null, bytes: null, sha256: null };
  }
  const file = InputFile.open(input);
  try {
    return await runFile(file.file.path, file.file, how);
  } finally {
    file.close();
  }
}

/** What was written: the file, or those of an index. `path` is where it lies, `name` how the log calls it. */
export async function outputFiles(path: string, isNamed: boolean, signal?: AbortSignal) {
  const output = await ModelInput.open(path);
  try {
    const how = { known: new Map(), signal, reads: true, marks: true };
    return await modelFiles({ parts: output.parts, named: path, hasPath: isNamed }, how);
  } finally {
    output.close();
  }
}

/** Of one file that is no model. */
export async function writtenFile(path: string, signal?: AbortSignal): Promise<RunFile> {
  const file = InputFile.open(path);
  try {
    return await runFile(path, file.file, { known: new Map(), signal, reads: true });
  } finally {
    file.close();
  }
}

async function runFile(
  name: string | null,
  file: SizedFile,
  { known, signal, reads, marks = false }: Digesting,
): Promise<RunFile> {
  const stamp = stampOf(file.descriptor);
  const about = { name, bytes: file.size, stamp };
  const sha256 = known.get(stamp);
  if (sha256 !== undefined) return { ...about, sha256 };
  const digest = reads ? await digestOf(file, { marks, signal }) : undefined;
  return { ...about, sha256: null, ...digest };
}

/** Changes whenever the content does, as long as clocks go forward. */
function stampOf(descriptor: number): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statOf(descriptor);
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** In milliseconds since 1970. */
function changedAt(stamp: string): number {
  return Number(stamp.slice(stamp.lastIndexOf(':') + 1)) / 1e6;
}
