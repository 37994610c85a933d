/**
 * What a run is a run of: two with the same identity write the same bytes.
 * It exists so that what an earlier run, or another machine, has written is used only if it belongs to this one.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../js/api/json.js';
import type { PartChoice } from '../js/api/option-table/part.js';
import type { Calibration, Configuration } from '../js/api/types.js';
import { version } from '../js/api/version.js';
import type { ByteSource } from '../js/io/byte-source.js';
import { remoteSource } from '../js/url/url-source.js';
import { FileSource } from './file-source.js';
import type { OpenedFile, SourceFile } from './opened-files.js';
import { clientFor } from './url/client.js';

/** A file of the model: the same for as long as nobody changes it. */
export interface FileMark {
  readonly name: string;
  readonly bytes: number;
  /** Its version here: a time, an ETag. Of parts, which are made in several places: a digest of samples. */
  readonly version: string;
}

export interface RunIdentity {
  readonly version: string;
  readonly source: readonly FileMark[];
  readonly configuration: Configuration;
  /** A digest; null without one. */
  readonly calibration: string | null;
  readonly part: PartChoice | null;
}

export async function identityOf(
  parts: readonly OpenedFile[],
  configuration: Configuration,
  part: PartChoice | undefined,
): Promise<Omit<RunIdentity, 'calibration'>> {
  const source = await Promise.all(
    parts.map(async (file): Promise<FileMark> => {
      const bytes = file.file.size;
      const name = parts.length === 1 ? '' : file.name;
      return { name, bytes, version: part ? await sampled(file.file) : versionOf(file) };
    }),
  );
  return { version: version(), source, configuration, part: part ?? null };
}

function versionOf({ file, version: known }: OpenedFile): string {
  if (known !== undefined || !('bytes' in file)) return known ?? '';
  return createHash('sha256').update(file.bytes).digest('hex');
}

export function digestOf(calibration: Json<Calibration> | null): string | null {
  return calibration === null ? null : createHash('sha256').update(calibration).digest('hex');
}

/** In what they differ, as a sentence goes on after "It was a run "; undefined if they do not. */
export function differenceOf(earlier: RunIdentity, now: RunIdentity): string | undefined {
  if (earlier.version !== now.version) {
    return `of monoquant ${earlier.version}, and this is ${now.version}`;
  }
  if (!isSame(earlier.source, now.source)) return 'of another model, or of another version of it';
  const keys = Object.keys(now.configuration) as (keyof Configuration)[];
  const changed = keys.find((key) => !isSame(earlier.configuration[key], now.configuration[key]));
  if (changed !== undefined) {
    const [before, after] = [earlier, now].map((run) => JSON.stringify(run.configuration[changed]));
    return `with ${changed} ${before}, and this is with ${after}`;
  }
  if (earlier.calibration !== now.calibration) return 'with another calibration';
  if (!isSame(earlier.part, now.part)) return 'of another part';
  return undefined;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Enough to tell two models of one architecture apart, and little enough to be read from far away. */
const SAMPLES = 16;
const SAMPLE_BYTES = 4096;

/** A digest of bytes at places that are spread evenly, the first and the last among them. */
async function sampled(file: SourceFile): Promise<string> {
  const source: ByteSource =
    'descriptor' in file ? new FileSource(file) : remoteSource(file, clientFor);
  const length = Math.min(SAMPLE_BYTES, source.size);
  const last = source.size - length;
  const places = Array.from({ length: SAMPLES }, (_, index) =>
    Math.floor((last / (SAMPLES - 1)) * index),
  );
  const samples = await Promise.all(
    [...new Set(places)].map(async (place) => {
      const bytes = new Uint8Array(length);
      await source.read(place, bytes);
      return bytes;
    }),
  );
  const hash = createHash('sha256');
  for (const bytes of samples) hash.update(bytes);
  return hash.digest('hex');
}
