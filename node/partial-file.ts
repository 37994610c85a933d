/**
 * The file in which an output grows until it is complete. It exists from the beginning of a run, and thereby says to
 * all other runs that its target is taken; a second run for the same target fails before any work.
 * What holds: on one machine there is never a second writer. Across machines and containers a run is seen as long as
 * it touches its file and their clocks agree within minutes; beyond that, outputs are still whole.
 */
import {
  closeSync,
  constants,
  fdatasync,
  futimesSync,
  linkSync,
  openSync,
  unlinkSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { MonoquantError } from '../js/api/errors.js';
import { removeAtExit } from './leftovers.js';
import { type FileIdentity, leadsTo, statOf } from './open-file.js';
import { type Holder, holderBeside, partialOf, TOUCH_MS } from './partial-name.js';
import { codeOf } from './reason.js';

export interface PartialChoices {
  /** How messages name the output. */
  readonly path: string;
  /** Permissions, of which the process's mask takes some away. */
  readonly mode: number;
  /** Whether it goes with a file that keeps other runs away. */
  readonly isCompanion: boolean;
  /** Whether what an interrupted run has left in its place is taken over, and left there again if this one fails. */
  readonly resumes?: boolean | undefined;
}

/** Those of this process. */
const open = new Set<string>();

/** To sync a file it has to be writable on Windows only, and a copy may not be writable. */
const TO_SYNC = process.platform === 'win32' ? 'r+' : 'r';

export class PartialFile {
  readonly path: string;
  readonly #forget: () => void;
  readonly #touching: NodeJS.Timeout;
  #identity: FileIdentity;
  #descriptor: number | undefined;

  constructor(target: string, choices: PartialChoices) {
    this.path = partialOf(target);
    this.#descriptor = claim(this.path, choices);
    try {
      this.#identity = statOf(this.#descriptor);
    } catch (error) {
      unlinkSync(this.path);
      closeSync(this.#descriptor);
      throw error;
    }
    open.add(this.path);
    this.#forget = choices.resumes ? () => {} : removeAtExit(this.path);
    this.#touching = setInterval(() => this.#touch(), TOUCH_MS).unref();
  }

  get descriptor(): number {
    if (this.#descriptor === undefined) throw new MonoquantError('internal', 'File is closed.');
    return this.#descriptor;
  }

  /** Becomes a copy of a file, and shares its bytes on the disk if that is possible and allowed. */
  async copy(source: string, mayShare: boolean): Promise<void> {
    this.close();
    unlinkSync(this.path);
    if (!mayShare || !tryLink(source, this.path)) {
      await copyFile(source, this.path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    }
    this.#descriptor = openSync(this.path, TO_SYNC);
    open.add(this.path);
    this.#identity = statOf(this.#descriptor);
  }

  /** Its content outlives a power cut. File systems that cannot do that are no worse than before. */
  async sync(): Promise<void> {
    try {
      await promisify(fdatasync)(this.descriptor);
    } catch (error) {
      if (!['EINVAL', 'ENOSYS', 'ENOTSUP'].includes(codeOf(error) ?? '')) throw error;
    }
  }

  /** Whether `path` leads to it. */
  isAt(path: string): boolean {
    return leadsTo(path, this.#identity);
  }

  /** Harmless if it is closed. */
  close(): void {
    clearInterval(this.#touching);
    open.delete(this.path);
    const descriptor = this.#descriptor;
    // Also after a failure it is closed.
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }

  /** Closed, and left where it is for a run that goes on with it. */
  leave(): void {
    this.#forget();
    try {
      this.close();
    } catch {
      // What was written is compared before it counts.
    }
  }

  /** Closed, and gone from its name. */
  remove(): void {
    this.#forget();
    try {
      this.close();
    } catch {
      // The failure that led here is the one to tell.
    }
    try {
      if (this.isAt(this.path)) unlinkSync(this.path);
    } catch {
      // The same.
    }
  }

  #touch(): void {
    try {
      const now = new Date();
      if (this.#descriptor !== undefined) futimesSync(this.#descriptor, now, now);
    } catch {
      // Nobody but runs on other machines looks at it.
    }
  }
}

/** False also if the file system has no links. */
export function tryLink(existing: string, added: string): boolean {
  try {
    linkSync(existing, added);
    return true;
  } catch {
    return false;
  }
}

/** Looks at other runs before giving up: two that begin at the same moment see each other, and both step back. */
const LOOKS = 4;
const LONGEST_STEP_BACK_MS = 40;

function claim(partial: string, choices: PartialChoices): number {
  const { path, isCompanion } = choices;
  for (let looks = 1; ; looks += 1) {
    const { descriptor, isNew } = openOwn(partial, choices);
    const holder = isCompanion ? undefined : holderBeside(partial);
    if (holder === undefined) return descriptor;
    closeSync(descriptor);
    if (isNew) unlinkSync(partial);
    if (looks === LOOKS) throw beingWritten(path, holder);
    sleep(Math.random() * LONGEST_STEP_BACK_MS);
  }
}

function openOwn(
  partial: string,
  { path, mode, resumes }: PartialChoices,
): { readonly descriptor: number; readonly isNew: boolean } {
  try {
    return { descriptor: openSync(partial, 'wx+', mode), isNew: true };
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (resumes && !open.has(partial)) {
      return { descriptor: openSync(partial, 'r+'), isNew: false };
    }
    throw beingWritten(path, { process: process.pid, isElsewhere: false });
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function beingWritten(path: string, { process: pid, isElsewhere }: Holder): MonoquantError {
  const place = isElsewhere ? ' on another machine or in another container' : '';
  const who = pid === process.pid && !isElsewhere ? 'this process' : `process ${pid}${place}`;
  return new MonoquantError(
    'output-exists',
    `The output "${path}" is being written by another run: ${who}.`,
    { suggestion: 'Wait until it has ended, or choose another name.' },
  );
}
