/**
 * Does a run of a log once more, and says whether the same bytes came out; if not, which tensor is the first that
 * differs, and what has changed since.
 */
import { existsSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { MonoquantError } from '../../js/api/errors.js';
import type { RunOptions } from '../../js/api/options.js';
import type { RunFile, RunRecord } from '../../js/api/run-record.js';
import { sameParts } from '../../js/report/run-comparison.js';
import { InputFile, pathOf } from '../input-file.js';
import { type Extras, functions, functionsWith } from '../model.js';
import { TemporaryFolder } from '../temporary-folder.js';
import { digestOf, MARK_DIGITS, tensorsOf } from './file-digest.js';
import { pickRun } from './pick-run.js';
import { RunLog } from './run-log.js';

export interface RepeatOptions extends Pick<RunOptions, 'signal' | 'onProgress' | 'threads'> {
  /** Where to write it; without it, nothing is kept. */
  readonly output?: string | URL;
  readonly force?: boolean;
}

/** What may be the reason why other bytes came out. */
export type RepeatReason = 'source-changed' | 'calibration-changed' | 'version-changed' | 'unknown';

export interface Repetition {
  /** Whether the output has the same bytes. */
  readonly same: boolean;
  /** The run that was repeated, and the one that repeats it. */
  readonly first: RunRecord;
  readonly again: RunRecord;
  /** Of an output that differs: empty if it does not. */
  readonly reasons: readonly RepeatReason[];
  /** The first that differs, in the order of the file; undefined: nobody can tell. */
  readonly tensor?: string;
}

/** `id`: all of it, its beginning or its end, or `last`. The repetition is added to the log. */
export async function repeatRun(
  log: string | URL,
  id: string,
  options: RepeatOptions = {},
): Promise<Repetition> {
  const runLog = new RunLog(String(log));
  const first = pickRun(runLog, runLog.read().runs, id);
  checkRepeatable(first);
  const folder = new TemporaryFolder();
  try {
    const output = options.output === undefined ? undefined : pathOf(options.output, 'output');
    const place = output ?? join(folder.path, placeOf(first));
    const again = await runAgain(first, String(log), { ...options, output: place });
    return await judged(first, again);
  } finally {
    folder.remove();
  }
}

/** The same with the files of the repetition still there. */
async function judged(first: RunRecord, again: RunRecord): Promise<Repetition> {
  const { source, calibration, version, output } = sameParts(first, again);
  if (output === true) return { same: true, first, again, reasons: [] };
  const changes: readonly (readonly [RepeatReason, boolean])[] = [
    ['source-changed', source === false],
    ['calibration-changed', calibration === false],
    ['version-changed', !version],
  ];
  const reasons = changes.flatMap(([reason, isSo]) => (isSo ? [reason] : []));
  const tensor = (await firstMark(first, again)) ?? (await firstValue(first, again));
  return {
    same: false,
    first,
    again,
    reasons: reasons.length === 0 ? ['unknown'] : reasons,
    ...(tensor === undefined ? {} : { tensor }),
  };
}

async function runAgain(
  first: RunRecord,
  log: string,
  { output, ...options }: RepeatOptions & { readonly output: string },
): Promise<RunRecord> {
  const { id, command, model, folder } = first;
  let again: RunRecord | undefined;
  const extras: Extras = {
    parent: id,
    onRecord: (record) => {
      again = record;
    },
  };
  const call = functionsWith(extras)[command as 'quantize'];
  // Threads do not change what comes out: those of this machine do.
  const { threads: _, engine: __, calibration = [], ...choices } = first.options;
  const names = (calibration as readonly string[]).map((name) => seenFrom(folder, name));
  const given = {
    ...choices,
    ...(names.length === 0 ? {} : { calibration: names }),
    ...options,
    output,
    log,
  };
  const result = await call(seenFrom(folder, model ?? ''), ownOptions(command, given));
  await result.close();
  if (again !== undefined) return again;
  throw new MonoquantError('write-failed', `No line was added to the log in "${log}".`);
}

/** What a conversion spells out is a configuration; `dequantize` knows no bits. */
function ownOptions(
  command: RunRecord['command'],
  options: Readonly<Record<string, unknown>>,
): object {
  if (command !== 'dequantize') return options;
  const { dequantize: dtype, key, stripPrefix, container, zstdLevel, ...others } = options;
  const { maxShardSize, duplicateTies, strict, output, force, log, part, ...rest } = others;
  const { signal, onProgress, threads } = rest;
  const own = { dtype, key, stripPrefix, container, zstdLevel, maxShardSize, duplicateTies };
  return { ...own, strict, output, force, log, part, signal, onProgress, threads };
}

function checkRepeatable({ id, command, model, calibration, outputs, exit }: RunRecord): void {
  const why =
    command === 'calibrate' || command === 'benchmark'
      ? `it was ${command}, and only runs that write a model can be`
      : exit !== 0 || outputs.length === 0
        ? `it has no output to compare with: it ended with the code ${exit}`
        : model === null || calibration.some(({ name }) => name === null)
          ? 'it was made of bytes that have no name'
          : outputs.some(({ sha256 }) => sha256 === null)
            ? 'the log has no digest of its output'
            : undefined;
  if (why === undefined) return;
  throw new MonoquantError('invalid-options', `The run ${id} cannot be repeated: ${why}.`, {
    suggestion: 'monoquant runs list shows the others.',
  });
}

/** A name that was seen from that folder. */
function seenFrom(folder: string | null, name: string): string {
  const isPlain = !isAbsolute(name) && !/^(https?|file):/i.test(name);
  return isPlain && folder !== null && folder !== process.cwd() ? join(folder, name) : name;
}

/** A place of the same kind: its ending, or a folder. */
function placeOf({ output, outputs, options }: RunRecord): string {
  if (output === null) {
    return `output.${options.container ?? 'safetensors'}${options.zstdLevel == null ? '' : '.zst'}`;
  }
  const [file] = outputs;
  const isFolder = outputs.length > 1 || /[/\\]$/.test(output);
  // A part is called after the whole.
  const isNamed = options.part !== undefined || basename(output) === basename(file?.name ?? '');
  return isFolder || !isNamed ? 'output/' : basename(output);
}

/** By the marks in both lines; some files have none. */
async function firstMark(first: RunRecord, again: RunRecord): Promise<string | undefined> {
  for (const [index, file] of again.outputs.entries()) {
    const before = first.outputs[index];
    if (before?.sha256 === file.sha256) continue;
    return file.name === null ? undefined : differingTensor(before, file, file.name);
  }
  return undefined;
}

async function differingTensor(
  before: RunFile | undefined,
  { marks = '' }: RunFile,
  path: string,
): Promise<string | undefined> {
  const old = before?.marks ?? '';
  const headers = [marks, old].map((each) => each.slice(0, MARK_DIGITS));
  // Behind another header no mark is the same, whatever the tensors are.
  if (headers[0] === '' || headers[0] !== headers[1] || !existsSync(path)) return undefined;
  let at = 1;
  const markAt = (text: string, index: number) =>
    text.slice(index * MARK_DIGITS, (index + 1) * MARK_DIGITS);
  while (markAt(marks, at) !== '' && markAt(marks, at) === markAt(old, at)) at++;
  const input = InputFile.open(path);
  try {
    return (await tensorsOf(input.file))[at - 1];
  } finally {
    input.close();
  }
}

/** By the values, if the earlier output is still there as it was. */
async function firstValue(first: RunRecord, again: RunRecord): Promise<string | undefined> {
  const [[before, ...others], [after]] = [first.outputs, again.outputs];
  if (!before?.name || !after?.name || others.length > 0) return undefined;
  const path = seenFrom(first.folder, before.name);
  if (!(await isStill(before, path))) return undefined;
  const { tensors } = await functions.compare(path, after.name, { threads: 1 });
  const changed = new Set(
    tensors.flatMap(({ name, verdict }) => (verdict === 'identical' ? [] : [name])),
  );
  const model = await functions.load(after.name, { threads: 1 });
  try {
    return model.names.find((name) => changed.has(name)) ?? [...changed][0];
  } finally {
    await model.close();
  }
}

/** Whether a file is what a line says of it. */
async function isStill({ sha256 }: RunFile, path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  const input = InputFile.open(path);
  try {
    return (await digestOf(input.file, {}))?.sha256 === sha256;
  } finally {
    input.close();
  }
}
