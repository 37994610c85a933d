/**
 * A model file that is open for reading, from before the work until after it.
 * It exists so that a missing or odd file is told at once, and a change during the work is noticed.
 * Only regular files: opening a pipe would wait for ever. The file itself is never changed.
 */
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unexpected } from '../js/api/check.js';
import { MonoquantError } from '../js/api/errors.js';
import { nearest } from '../js/api/nearest.js';
import { HEAD_BYTES, looksLikeZstd } from '../js/engine/unpack.js';
import { type FileIdentity, type SizedFile, statOf } from './open-file.js';
import { codeOf, reasonOf } from './reason.js';

/** What moves a file's ctime besides its content. */
const CHANGES = ['nlink', 'mode', 'uid', 'gid'] as const;

export class InputFile {
  readonly file: SizedFile;
  readonly #atOpening: BigIntStats;
  #isOpen = true;

  /** A file that somebody else has opened, and closes. */
  static ofHandle(descriptor: number): InputFile {
    const path = `the open file ${descriptor}`;
    try {
      const file = new InputFile(path, descriptor);
      checkRegular(path, fstatSync(descriptor));
      file.#isOpen = false;
      return file;
    } catch (error) {
      throw error instanceof MonoquantError ? error : openFailed(path, error);
    }
  }

  private constructor(path: string, descriptor: number) {
    this.#atOpening = statOf(descriptor);
    const size = Number(this.#atOpening.size);
    this.file = { descriptor, path, place: resolve(path), size };
  }

  static open(model: string | URL): InputFile {
    const path = pathOf(model);
    try {
      checkKind(path);
      return new InputFile(path, openSync(path, 'r'));
    } catch (error) {
      throw error instanceof MonoquantError ? error : openFailed(path, error);
    }
  }

  get name(): string {
    return basename(this.file.path);
  }

  get identity(): FileIdentity {
    return this.#atOpening;
  }

  get version(): string {
    return String(this.#atOpening.mtimeNs);
  }

  /** By its first bytes; false also if they cannot be read: whoever reads more will tell why. */
  get isZstd(): boolean {
    const head = new Uint8Array(HEAD_BYTES);
    try {
      readSync(this.file.descriptor, head, 0, HEAD_BYTES, 0);
    } catch {
      return false;
    }
    return looksLikeZstd(head);
  }

  /** Throws where what was read may be a mixture of two versions. */
  checkUnchanged(): void {
    const now = statOf(this.file.descriptor);
    const isSame = (key: keyof BigIntStats) => now[key] === this.#atOpening[key];
    // The time of a change can be put back, the time of that cannot. Names and permissions may change.
    const isTouched = !isSame('ctimeNs') && CHANGES.every(isSame);
    if (isSame('size') && isSame('mtimeNs') && !isTouched) return;
    throw new MonoquantError(
      'file-changed',
      `"${this.file.path}" was changed while it was being read.`,
      { suggestion: 'Wait until nothing writes to it any more, and run again.' },
    );
  }

  close(): void {
    if (this.#isOpen) closeSync(this.file.descriptor);
    this.#isOpen = false;
  }
}

/** `key` is what messages call it; `windows` says whose paths URLs become, by default this system's. */
export function pathOf(named: unknown, key = 'model', windows?: boolean): string {
  const text = named instanceof URL ? named.href : named;
  if (typeof text === 'string' && /^file:/i.test(text)) return pathOfUrl(text, key, windows);
  // Nothing is written there, and what is read from there has no path.
  const isElsewhere = typeof text === 'string' && /^https?:\/\//i.test(text);
  if (typeof named === 'string' && named !== '' && !isElsewhere) return named;
  throw unexpected('a path or a file: URL', key, text);
}

function pathOfUrl(url: string, key: string, windows: boolean | undefined): string {
  try {
    return fileURLToPath(url, { windows });
  } catch {
    throw unexpected('a file: URL of this machine', key, url);
  }
}

function checkKind(path: string): void {
  checkRegular(path, statSync(path));
}

function checkRegular(path: string, found: Stats): void {
  if (found.isFile()) return;
  if (found.isDirectory()) {
    throw new MonoquantError('read-failed', `"${path}" is a folder, not a model file.`, {
      suggestion: 'Name a .safetensors file in it.',
    });
  }
  const kind = found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : 'a device';
  throw new MonoquantError('read-failed', `"${path}" is ${kind}, not a file.`, {
    suggestion: 'A model is read at many places, so it has to be a file: save it to one first.',
  });
}

function openFailed(path: string, cause: unknown): MonoquantError {
  if (codeOf(cause) !== 'ENOENT') {
    return new MonoquantError('read-failed', `Could not open "${path}": ${reasonOf(cause)}.`, {
      cause,
    });
  }
  const elsewhere = ELSEWHERE.find(([form]) => form.test(path));
  if (elsewhere !== undefined) {
    const [form, what, suggestion] = elsewhere;
    const message = `Expected a file, found ${what}: "${path}".`;
    const how = suggestion.replaceAll('ID', form.exec(path)?.[1] ?? path);
    return new MonoquantError('file-not-found', message, { suggestion: how, cause });
  }
  const meant = neighbourOf(path);
  return new MonoquantError('file-not-found', `There is no file "${path}".`, {
    suggestion: meant === undefined ? hubHint(path) : `Did you mean "${meant}"?`,
    cause,
  });
}

const ON_HUB =
  'If it is the name of a model on Hugging Face, give its URL, https://huggingface.co/ID, or download it first: hf download ID --local-dir FOLDER, then give that FOLDER.';

/** Names that lead to no file of this machine: how they look, what they are, and what to do. */
const ELSEWHERE: readonly (readonly [form: RegExp, what: string, suggestion: string])[] = [
  [/^hf:\/\/([^/?#]+(?:\/[^/?#]+)?)/i, 'a model of a hub', ON_HUB],
  [/^[a-z][a-z\d+.-]+:\/\//i, 'a URL', 'Copy the model to this machine first, and give its path.'],
];

/** `org/name` and `gpt2` are what hubs call models, and nothing here. */
function hubHint(path: string): string | undefined {
  if (!/^[\w-]+(\.[\w-]+)*(\/[\w.-]+)?$/.test(path) || MODEL_ENDING.test(path)) return undefined;
  return ON_HUB.replaceAll('ID', path);
}

const MODEL_ENDING = /\.(safetensors|json|pt|pth|pt2|bin|ckpt|npz|onnx|gguf|h5|zip|zst)$/i;

function neighbourOf(path: string): string | undefined {
  try {
    const name = nearest(basename(path), readdirSync(dirname(path)));
    return name === undefined ? undefined : join(dirname(path), name);
  } catch {
    return undefined;
  }
}
