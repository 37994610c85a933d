/**
 * A file that is being written: `<name>.partial` until it is complete, then `<name>`.
 * It exists so that an output is whole or absent, whatever happens on the way.
 * An input is never overwritten, anything else only with `force`; discard() leaves nothing behind.
 */
import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { contradiction } from '../js/api/check.js';
import { MonoquantError } from '../js/api/errors.js';
import { option, say } from '../js/api/sentence.js';
import { cacheAround } from './download-cache.js';
import { removeAtExit } from './leftovers.js';
import { type FileIdentity, leadsTo, type OpenFile, statOf } from './open-file.js';
import { codeOf } from './reason.js';
import { writeFailed } from './write-failed.js';

export interface OutputChoices {
  /** Whether an existing file may be replaced. */
  readonly force: boolean;
  /** The files that must not be replaced even so. */
  readonly inputs: readonly FileIdentity[];
}

export class OutputFile {
  readonly #path: string;
  /** Where links lead: a link stays a link. */
  readonly #target: string;
  readonly #partial: string;
  readonly #force: boolean;
  readonly #forget: () => void;
  #identity: FileIdentity;
  #descriptor: number | undefined;

  private constructor(path: string, target: string, force: boolean) {
    this.#path = path;
    this.#target = target;
    this.#partial = `${target}.partial`;
    this.#force = force;
    this.#descriptor = openNew(this.#partial);
    this.#identity = statOf(this.#descriptor);
    this.#forget = removeAtExit(this.#partial);
  }

  /** Throws before anything is touched where `path` cannot be taken. */
  static create(path: string, { force, inputs }: OutputChoices): OutputFile {
    try {
      const exists = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
      const target = exists ? behindLinks(path) : path;
      if (inputs.some((input) => leadsTo(target, input) || leadsTo(`${target}.partial`, input))) {
        throw contradiction(`The output "${path}" is the model itself.`, 'Choose another name.');
      }
      if (exists) checkReplaceable(path, target);
      if (cacheAround(target) !== undefined) throw inCache(path);
      if (exists && !force) throw alreadyExists(path);
      return new OutputFile(path, target, force);
    } catch (error) {
      throw writeFailed(path, error);
    }
  }

  /** For who writes it; invalid after `commit`, `discard` and `fillFrom`. */
  get file(): OpenFile {
    if (this.#descriptor === undefined) throw new MonoquantError('internal', 'File is closed.');
    return { descriptor: this.#descriptor, path: this.#path };
  }

  /** Takes the content of a file, sharing its bytes on the disk where that is possible and allowed. */
  async fillFrom(source: string, mayShare: boolean): Promise<void> {
    try {
      this.#close();
      unlinkSync(this.#partial);
      if (!mayShare || !tryLink(source, this.#partial)) {
        await copyFile(source, this.#partial, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      }
      this.#identity = statSync(this.#partial, { bigint: true });
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  /** Gives the complete file its name. */
  commit(): void {
    try {
      this.#close();
      if (!leadsTo(this.#partial, this.#identity)) throw replaced(this.#partial);
      if (this.#force) renameSync(this.#partial, this.#target);
      else renameToFree(this.#partial, this.#target, this.#path);
      this.#forget();
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  /** Harmless after `commit`. */
  discard(): void {
    this.#close();
    this.#forget();
    try {
      if (leadsTo(this.#partial, this.#identity)) unlinkSync(this.#partial);
    } catch {
      // The failure that led here is the one to tell.
    }
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function behindLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    // A link that leads nowhere is itself what would be replaced.
    if (codeOf(error) === 'ENOENT') return path;
    throw error;
  }
}

function checkReplaceable(path: string, target: string): void {
  const found = statSync(target, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return;
  const kind = found.isDirectory() ? 'a folder' : 'no regular file';
  throw contradiction(`The output "${path}" is ${kind}.`, 'Give the name of a file.');
}

function openNew(partial: string): number {
  try {
    return openSync(partial, 'wx+');
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // Left behind by a run that was killed. A run that is still going notices at its end.
    unlinkSync(partial);
    return openSync(partial, 'wx+');
  }
}

/** Unlike renaming, linking fails where somebody else has taken the name meanwhile. */
function renameToFree(partial: string, target: string, path: string): void {
  if (tryLink(partial, target)) {
    unlinkSync(partial);
  } else {
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) throw alreadyExists(path);
    renameSync(partial, target);
  }
}

/** False also where the file system has no links. */
function tryLink(existing: string, added: string): boolean {
  try {
    linkSync(existing, added);
    return true;
  } catch {
    return false;
  }
}

function alreadyExists(path: string): MonoquantError {
  return new MonoquantError('output-exists', `The output "${path}" exists already.`, {
    suggestion: say`Allow to overwrite it with ${option('force')}, or choose another name.`,
  });
}

function inCache(path: string): MonoquantError {
  return contradiction(
    `The output "${path}" lies in a cache of downloads, or is a link into one.`,
    'Choose a place outside: what other tools keep there is theirs.',
  );
}

function replaced(partial: string): MonoquantError {
  return new MonoquantError(
    'write-failed',
    `"${partial}" was replaced while it was being written.`,
    {
      suggestion: 'Make sure that no other run writes the same output.',
    },
  );
}
