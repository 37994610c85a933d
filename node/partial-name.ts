/**
 * The name that a file has while it is being written: hidden, beside its target, with the mark of its process.
 * It is the lock of the target, too: who makes one and then finds another of a process that runs has come too late.
 * No user's file has such a name, so what a dead run left behind can be removed, or taken over.
 */
import { createHash } from 'node:crypto';
import { readdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isShardName } from '../js/api/model-files.js';
import { lifeOf, MARK, ownMark } from './process-mark.js';

/**
 * `.<name>.monoquant-<mark>.partial`, `.before` for what is being replaced, and `.journal` for what a run says of itself:
 * as long as that is there, all that the run has left is kept for another one that goes on with it.
 */
const OWN_NAME = new RegExp(`^\\.(.+)\\.monoquant-(${MARK})\\.(partial|before|journal)$`, 's');

/** After so long nobody goes on with a run. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/** In bytes. With all the rest it is far below what any file system takes. */
const LONGEST_STEM = 64;

/** A run touches its partial files at this pace, so that other machines see it is alive. */
export const TOUCH_MS = 15_000;
/** Since the last touch: then a run on another machine, or in another container, is over. */
const SILENT_MS = 8 * TOUCH_MS;

export function partialOf(
  target: string,
  ending: 'partial' | 'before' | 'journal' = 'partial',
): string {
  const name = `.${stemOf(basename(target))}.monoquant-${ownMark()}.${ending}`;
  return join(dirname(target), name);
}

/** Long names are cut, and told apart by a digest. */
function stemOf(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_STEM) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `${name.slice(0, LONGEST_STEM / 4)}~${digest}`;
}

export interface Holder {
  readonly process: number;
  readonly isElsewhere: boolean;
}

interface OwnFile {
  readonly path: string;
  readonly stem: string;
  readonly mark: string;
  readonly process: number;
  readonly isJournal: boolean;
}

function ownFilesIn(folder: string): readonly OwnFile[] {
  return namesIn(folder).flatMap((name) => {
    const [, stem = '', mark, pid] = OWN_NAME.exec(name) ?? [];
    if (mark === undefined) return [];
    const isJournal = name.endsWith('.journal');
    return [{ path: join(folder, name), stem, mark, process: Number(pid), isJournal }];
  });
}

/**
 * Another run that is writing the target of `partial`, a file that exists. Removes what dead runs left beside it, unless
 * somebody may go on with it.
 */
export function holderBeside(partial: string): Holder | undefined {
  const files = ownFilesIn(dirname(partial));
  const stem = OWN_NAME.exec(basename(partial))?.[1];
  const now = writtenAt(partial);
  const kept = new Set(
    files
      .filter(({ isJournal, path }) => isJournal && now - writtenAt(path) < KEPT_MS)
      .map(({ mark }) => mark),
  );
  let holder: Holder | undefined;
  for (const { path, stem: itsStem, mark, process } of files) {
    if (mark === ownMark()) continue;
    if (!isDead(mark, path, now)) {
      if (itsStem === stem) holder = { process, isElsewhere: lifeOf(mark) === 'elsewhere' };
    } else if (!kept.has(mark)) removeFile(path);
  }
  return holder;
}

/**
 * Takes over what the last dead run has left of this target, of what it is made from, and of the files that it may have
 * become: all of it is this run's now.
 */
export function adopt(target: string, draft: string): void {
  const [last] = deadJournals(target).sort((a, b) => writtenAt(b.path) - writtenAt(a.path));
  if (last === undefined) return;
  const stems = [target, draft].map((path) => stemOf(basename(path)));
  for (const { path, mark, stem } of ownFilesIn(dirname(target))) {
    if (mark !== last.mark || !(stems.includes(stem) || isShardName(stem))) continue;
    renameFile(path, path.replace(`.monoquant-${mark}.`, `.monoquant-${ownMark()}.`));
  }
}

/** Removes what dead runs have left of this target: nobody will go on with it any more. */
export function supersede(target: string): void {
  const dead = new Set(deadJournals(target).map(({ mark }) => mark));
  for (const { path, mark } of ownFilesIn(dirname(target))) if (dead.has(mark)) removeFile(path);
}

function deadJournals(target: string): OwnFile[] {
  const stem = stemOf(basename(target));
  const now = Date.now();
  return ownFilesIn(dirname(target)).filter(
    (file) =>
      file.isJournal &&
      file.stem === stem &&
      file.mark !== ownMark() &&
      isDead(file.mark, file.path, now),
  );
}

/** Whether whoever made it writes no more. `now` is by the clock of the file system, or by one that agrees. */
function isDead(mark: string, path: string, now: number): boolean {
  const life = lifeOf(mark);
  // By the time of its last touch.
  return life === 'ended' || (life === 'elsewhere' && now - writtenAt(path) > SILENT_MS);
}

/** Now, if it is gone. */
function writtenAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
}

/** One may write into some folders without seeing what is there. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function renameFile(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // Another run was quicker, or it is somebody else's.
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is somebody else's to remove, and holds nothing up.
  }
}
