/**
 * What is kept of a run: one line of JSON in a log, `runs.jsonl`.
 * It exists so that runs are found again, compared and repeated, whichever host has made them.
 * A line is never changed. Later versions may add members; what means something else has another `format`.
 */
import type { ErrorCode } from './errors.js';
import type { EngineInfo } from './types.js';

export const RUN_FORMAT = 1;

export const RECORDED_COMMANDS = [
  'quantize',
  'convert',
  'dequantize',
  'calibrate',
  'benchmark',
] as const;
export type RecordedCommand = (typeof RECORDED_COMMANDS)[number];

/** A file that a run has read or written. */
export interface RunFile {
  /** As it was named, without what somebody signs in with; null: it was given as bytes. */
  readonly name: string | null;
  /** Null: it is behind a URL, and nobody has kept how large it was. */
  readonly bytes: number | null;
  /** In hexadecimal digits; null if nobody has read all of it: it is behind a URL, or the run ended before its work. */
  readonly sha256: string | null;
  /** Of a file behind a URL, what its server calls this version. */
  readonly version?: string;
  /** What the file system says of it; while it says the same, the file is the same. */
  readonly stamp?: string;
  /**
   * Of a .safetensors: how the SHA-256 of all bytes up to the end of the header begins, and up to the end of each tensor,
   * in the order of the file, 8 digits each. The first that differs from those of another file names the tensor that does.
   */
  readonly marks?: string;
}

export interface RunTotals {
  /** As `Sizes` of a report have them. */
  readonly sourceBytes: number;
  readonly outputBytes: number;
  readonly packedBytes?: number;
  readonly parameters: number;
  readonly bitsPerWeight: number;
  /** Tensors that were changed, and all others of the source. */
  readonly changed: number;
  readonly unchanged: number;
}

export interface RunQuality {
  /** Mean SQNR in dB; null: nothing was lost. */
  readonly sqnrDb: number | null;
  /** Of what layers compute, if their inputs are known. */
  readonly outputSqnrDb: number | null;
  /** The tensor that lost most. */
  readonly worst?: { readonly tensor: string; readonly sqnrDb: number };
}

export interface RunRecord {
  readonly format: typeof RUN_FORMAT;
  /** Begins with when it was begun, so that ids sort by time. */
  readonly id: string;
  /** The run that it repeats. */
  readonly parent: string | null;
  readonly command: RecordedCommand;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly ms: number;
  /** What the command ends with: 0 if all is well. */
  readonly exit: number;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly tensor?: string };
  /** Names of files are seen from here; null where there are no folders. */
  readonly folder: string | null;
  /** As it was named; null: it was given as bytes. */
  readonly model: string | null;
  /** As it was named; null if the caller kept the result aside. */
  readonly output: string | null;
  /** Every choice spelled out, as `--config` takes them; of a run that was refused, what was given. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly seed?: number;
  readonly version: string;
  /** Null if none has worked. */
  readonly engine: EngineInfo | null;
  readonly host: string;
  readonly inputs: readonly RunFile[];
  readonly calibration: readonly RunFile[];
  readonly outputs: readonly RunFile[];
  readonly totals?: RunTotals;
  readonly quality?: RunQuality;
  readonly warnings: number;
  /** What a benchmark has found. */
  readonly verdict?: string;
  /** Of memory that the process has had at once, so far. */
  readonly peakBytes?: number;
}

/** Whether a value that was read from somewhere is a record that this version understands. */
export function isRunRecord(value: unknown): value is RunRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { format, id, command, started, options, inputs, outputs, calibration } = value as Partial<
    Record<keyof RunRecord, unknown>
  >;
  return (
    format === RUN_FORMAT &&
    typeof id === 'string' &&
    typeof started === 'string' &&
    RECORDED_COMMANDS.some((known) => known === command) &&
    typeof options === 'object' &&
    options !== null &&
    [inputs, outputs, calibration].every(Array.isArray)
  );
}

/** In the order in which they sort. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const RANDOM_DIGITS = 5;

/** `20261130-134501-9z3f9qz`: a time in UTC, two digits of it for milliseconds, and what tells apart the same ones. */
export function newRunId(started: Date, random: Uint8Array): string {
  const time = started.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const ms = started.getUTCMilliseconds();
  const digits = [ms >> 5, ms & 31, ...random.subarray(0, RANDOM_DIGITS)];
  return `${time}-${digits.map((digit) => DIGITS[digit & 31]).join('')}`;
}
