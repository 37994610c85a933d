/**
 * An output from its claim to its name: a partial file until it is complete, then `<name>`.
 * It exists so that an output is whole or absent, whatever happens on the way.
 * An input is never overwritten, anything else only with `force`; discard() leaves nothing behind.
 */
import {
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lstatSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { contradiction } from '../js/api/check.js';
import { MonoquantError } from '../js/api/errors.js';
import { option, say } from '../js/api/sentence.js';
import { cacheAround } from './download-cache.js';
import { type FileIdentity, leadsTo, type OutputPlace } from './open-file.js';
import { PartialFile, tryLink } from './partial-file.js';
import { adopt, partialOf, supersede } from './partial-name.js';
import { codeOf } from './reason.js';
import { checkName } from './windows-name.js';
import { writeFailed } from './write-failed.js';

export interface OutputChoices {
  /** Whether an existing file may be replaced. */
  readonly force: boolean;
  /** The files that must not be replaced even so. */
  readonly inputs: readonly FileIdentity[];
  /** Whether it goes with a file that keeps other runs away. */
  readonly isCompanion?: boolean;
  /** Whether what an interrupted run has left in its place is gone on with. */
  readonly resumes?: boolean;
}

export class OutputFile {
  readonly #path: string;
  /** Where links lead: a link stays a link. */
  readonly #target: string;
  readonly #partial: PartialFile;
  readonly #force: boolean;
  readonly #resumes: boolean;
  /** What is at the target, to be replaced. */
  readonly #replaced: Stats | undefined;
  /** A second name of it, until all files of the run have theirs. */
  #before: string | undefined;
  #isPlaced = false;

  private constructor(
    path: string,
    target: string,
    { force, isCompanion = false, resumes = false }: OutputChoices,
  ) {
    this.#path = path;
    this.#target = target;
    this.#force = force;
    this.#resumes = resumes;
    this.#replaced = statSync(target, { throwIfNoEntry: false });
    // What was private is private while it is being written, too.
    const mode = this.#replaced === undefined ? 0o666 : permissionsOf(this.#replaced);
    if (resumes && !isCompanion) adopt(target, draftOf(target));
    this.#partial = new PartialFile(target, { path, mode, isCompanion, resumes });
  }

  /** Throws before anything is touched if `path` cannot be taken. */
  static create(path: string, choices: OutputChoices): OutputFile {
    const { force, inputs } = choices;
    try {
      checkName(path);
      const exists = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
      const target = exists ? behindLinks(path) : path;
      if (inputs.some((input) => leadsTo(target, input))) {
        throw contradiction(`The output "${path}" is the model itself.`, 'Choose another name.');
      }
      if (exists) checkReplaceable(path, target);
      if (cacheAround(target) !== undefined) throw inCache(path);
      if (exists && !force) throw alreadyExists(path);
      return new OutputFile(path, target, choices);
    } catch (error) {
      throw writeFailed(path, error);
    }
  }

  /** For who writes it; invalid after `seal`, `discard` and `fillFrom`. */
  get file(): OutputPlace {
    const { descriptor, path: place } = this.#partial;
    return { descriptor, path: this.#path, place, folder: this.folder, besides: 0 };
  }

  /** A file beside it for what it is made from. Whoever takes it removes it. */
  draft(): PartialFile {
    const mode = this.#replaced === undefined ? 0o666 : permissionsOf(this.#replaced);
    const choices = { path: this.#path, mode, isCompanion: true, resumes: this.#resumes };
    return new PartialFile(draftOf(this.#target), choices);
  }

  /** Where a run says what it has done for this file. */
  get journalPath(): string {
    return partialOf(this.#target, 'journal');
  }

  /** What other runs for this file have left is of no use any more. */
  supersede(): void {
    supersede(this.#target);
  }

  /** In which it appears. */
  get folder(): string {
    return dirname(this.#target);
  }

  /** Its whole content. */
  fill(content: string | Uint8Array): void {
    const { descriptor } = this.#partial;
    try {
      // An earlier run may have left more.
      ftruncateSync(descriptor, 0);
      writeFileSync(descriptor, content);
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  /** Takes the content of a file, sharing its bytes on the disk if that is possible and allowed. */
  async fillFrom(source: string, mayShare: boolean): Promise<void> {
    try {
      await this.#partial.copy(source, mayShare);
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  /** Nothing is written any more; with `lasts`, the content outlives a power cut. */
  async seal(lasts: boolean): Promise<void> {
    try {
      if (this.#replaced !== undefined) keepOwnership(this.#partial.descriptor, this.#replaced);
      if (lasts) await this.#partial.sync();
      this.#partial.close();
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  /** Gives the sealed file its name. */
  place(): void {
    const { path } = this.#partial;
    try {
      if (!this.#partial.isAt(path)) throw replaced(this.#path);
      if (this.#force) {
        const before = partialOf(this.#target, 'before');
        if (tryLink(this.#target, before)) this.#before = before;
        renameSync(path, this.#target);
      } else {
        placeAtFree(path, this.#target, this.#path);
      }
      this.#isPlaced = true;
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }

  /** What was there before is there again. Harmless if the file was not placed. */
  takeBack(): void {
    if (!this.#isPlaced) return;
    this.#isPlaced = false;
    try {
      if (!this.#partial.isAt(this.#target)) return;
      if (this.#before !== undefined) renameSync(this.#before, this.#target);
      // Without links, what was replaced is lost: the new file is better than none.
      else if (this.#replaced === undefined) unlinkSync(this.#target);
    } catch {
      // The failure that led here is the one to tell.
    }
  }

  /** Unfinished, for a run that goes on with it. */
  leave(): void {
    this.#partial.leave();
  }

  /** Leaves nothing behind but what has its name. */
  discard(): void {
    this.#partial.remove();
    const before = this.#before;
    this.#before = undefined;
    try {
      if (before !== undefined) unlinkSync(before);
    } catch {
      // It has its old name again.
    }
  }
}

/** What a file is made from. */
function draftOf(target: string): string {
  return `${target}.draft`;
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

function permissionsOf({ mode }: Stats): number {
  // Without what makes a program run as somebody else.
  return mode & 0o777;
}

/** A file that is replaced keeps its permissions and, as far as this process may, its owner. */
function keepOwnership(descriptor: number, before: Stats): void {
  const attempts = [
    () => fchownSync(descriptor, process.getuid?.() ?? before.uid, before.gid),
    () => fchownSync(descriptor, before.uid, before.gid),
    () => fchmodSync(descriptor, permissionsOf(before)),
  ];
  for (const attempt of attempts) {
    try {
      attempt();
    } catch {
      // Only root may give files away, and some file systems have no permissions.
    }
  }
}

/** Unlike renaming, linking fails if somebody else has taken the name meanwhile. */
function placeAtFree(partial: string, target: string, path: string): void {
  // The partial file's own name is then removed as after a failure.
  if (tryLink(partial, target)) return;
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) throw alreadyExists(path);
  renameSync(partial, target);
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

function replaced(path: string): MonoquantError {
  return new MonoquantError(
    'write-failed',
    `The unfinished output "${path}" was removed or replaced while it was being written.`,
    { suggestion: 'Make sure that nothing else touches it, and run again.' },
  );
}
