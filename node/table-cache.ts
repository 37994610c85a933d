/**
 * Tables of sensitivities on the disk, by the contents of what they were measured on.
 * It exists so that the second budget of a model takes seconds. A table that was kept is the one that would be measured:
 * its name follows from the SHA-256 of all files, from all that was asked, and from the engine's own files.
 *
 *   tables/QUICK-KEY.json    QUICK: of all that is known without reading the files; KEY: with their contents
 *   {"format", "key", "sha256"}\n     what it is, and of what follows
 *   {"version": …}                     the table
 *
 * What is damaged or foreign is passed over. Nothing here fails a call.
 */
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Json } from '../js/api/json.js';
import type { Sensitivity } from '../js/api/sensitivity.js';
import { version } from '../js/api/version.js';
import type { CalibrationPart } from '../js/session/calibrate.js';
import type { KeptTable, TableQuestion, TableStore } from '../js/session/table-store.js';
import { cacheFolder } from './cache-folder.js';
import type { ModelInput } from './model-input.js';
import type { SizedFile } from './open-file.js';
import type { SourceFile } from './opened-files.js';
import { digestOf } from './runs/file-digest.js';

const FORMAT = 'monoquant-table-1';
const FOLDER = 'tables';
/** The oldest go first. */
const MOST_FILES = 200;
const MOST_BYTES = 256 * 1024 * 1024;
/** What a killed process left. */
const PARTIAL = '.partial';
const PARTIAL_AGE_MS = 3_600_000;
/**
 * Bytes that are hashed in a third of the time in which one weight is encoded. Measured on one core: 1.4 GB/s for
 * SHA-256, 120 million weights a second for a budget with the fastest settings (12 bytes for a weight). Where hashing
 * would take longer than measuring, nothing is kept or looked for.
 */
const BYTES_FOR_WEIGHT = 4;

export class TableCache implements TableStore<SourceFile> {
  readonly #input: ModelInput;
  readonly #folder: string;

  private constructor(input: ModelInput, folder: string) {
    this.#input = input;
    this.#folder = folder;
  }

  /** Undefined if nothing is to be kept. */
  static of(input: ModelInput): TableCache | undefined {
    const folder = cacheFolder();
    return folder === undefined ? undefined : new TableCache(input, join(folder, FOLDER));
  }

  async find(question: TableQuestion<SourceFile>): Promise<KeptTable> {
    const nothing: KeptTable = { known: undefined, keep: async () => {} };
    const files = filesOf(this.#input, question.calibration);
    if (files === undefined) return nothing;
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (bytes > BYTES_FOR_WEIGHT * question.work) return nothing;
    const quick = this.#quickKey(question, files);
    const ended = new AbortController();
    const digests = digestsOf(files, ended.signal);
    // Without a candidate the files are hashed while the model is measured.
    const known = this.#hasCandidate(quick)
      ? this.#read(quick, keyOf(quick, await digests))
      : undefined;
    const keep: KeptTable['keep'] = async (table) => {
      if (table === undefined) return ended.abort();
      this.#write(quick, keyOf(quick, await digests), table);
    };
    return { known, keep };
  }

  /** Of all that is known without reading weights. */
  #quickKey(
    { asked, calibration }: TableQuestion<SourceFile>,
    files: readonly SizedFile[],
  ): string {
    const documents = calibration.map((part) => (part.kind === 'data' ? null : part.document));
    const { facts } = this.#input.beside;
    const sizes = files.map(({ size }) => size);
    const known = [FORMAT, version(), engineDigest(), asked, documents, facts, sizes];
    return hashed(JSON.stringify(known)).slice(0, 32);
  }

  #hasCandidate(quick: string): boolean {
    return attempt(() => readdirSync(this.#folder).some((name) => name.startsWith(quick))) ?? false;
  }

  #pathOf(quick: string, key: string): string {
    return join(this.#folder, `${quick}-${key.slice(0, 32)}.json`);
  }

  #read(quick: string, key: string | undefined): Json<Sensitivity> | undefined {
    if (key === undefined) return undefined;
    const path = this.#pathOf(quick, key);
    return attempt(() => {
      const text = readFileSync(path, 'utf8');
      const end = text.indexOf('\n');
      const table = text.slice(end + 1);
      if (text.slice(0, end) !== headOf(key, table)) return undefined;
      const now = new Date();
      attempt(() => utimesSync(path, now, now));
      return table as Json<Sensitivity>;
    });
  }

  #write(quick: string, key: string | undefined, table: Json<Sensitivity>): void {
    if (key === undefined || table.length > MOST_BYTES / 4) return;
    const path = this.#pathOf(quick, key);
    const partial = `${path}.${process.pid}-${Date.now().toString(36)}${PARTIAL}`;
    attempt(() => {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(partial, `${headOf(key, table)}\n${table}`, { flag: 'wx', mode: 0o600 });
      renameSync(partial, path);
    });
    attempt(() => rmSync(partial, { force: true }));
    attempt(() => this.#prune());
  }

  #prune(): void {
    const files = readdirSync(this.#folder).map((name) => {
      const path = join(this.#folder, name);
      const { mtimeMs, size } = statSync(path);
      return { path, mtimeMs, size, isPartial: name.endsWith(PARTIAL) };
    });
    files.sort((a, b) => b.mtimeMs - a.mtimeMs);
    let bytes = 0;
    for (const [index, { path, mtimeMs, size, isPartial }] of files.entries()) {
      bytes += size;
      const isOld = isPartial && Date.now() - mtimeMs > PARTIAL_AGE_MS;
      if (isOld || index >= MOST_FILES || bytes > MOST_BYTES) attempt(() => rmSync(path));
    }
  }
}

/** On this machine; undefined if some are elsewhere. */
function filesOf(
  input: ModelInput,
  calibration: readonly CalibrationPart<SourceFile>[],
): readonly SizedFile[] | undefined {
  const data = calibration.flatMap((part) => (part.kind === 'data' ? [part.source] : []));
  const files = [...input.parts.map(({ file }) => file), ...data];
  return files.every(isHere) ? files : undefined;
}

function isHere(file: SourceFile): file is SizedFile {
  return 'descriptor' in file;
}

/** One after the other, while other work goes on; undefined if they cannot be read: the work says so itself. */
async function digestsOf(
  files: readonly SizedFile[],
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const digests: string[] = [];
  try {
    for (const file of files) {
      const digest = await digestOf(file, { signal });
      if (digest === undefined) return undefined;
      digests.push(digest.sha256);
    }
    return digests;
  } catch {
    return undefined;
  }
}

function keyOf(quick: string, digests: readonly string[] | undefined): string | undefined {
  return digests && hashed(JSON.stringify([quick, digests]));
}

function headOf(key: string, table: string): string {
  return JSON.stringify({ format: FORMAT, key, sha256: hashed(table) });
}

let ofEngine: string | undefined;

/** Of what compiles codes: two builds of one version may differ. */
function engineDigest(): string {
  ofEngine ??= attempt(() => {
    const folder = fileURLToPath(new URL('../wasm/', import.meta.url));
    const names = readdirSync(folder).filter((name) => name.endsWith('.wasm'));
    return hashed(...names.sort().map((name) => readFileSync(join(folder, name))));
  });
  return ofEngine ?? '';
}

function hashed(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

function attempt<Answer>(work: () => Answer): Answer | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
