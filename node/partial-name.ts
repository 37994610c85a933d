/**
 * The name that a file has while it is being written: hidden, beside its target, with the mark of its process.
 * It is the lock of the target, too: who makes one and then finds another of a process that runs has come too late.
 * No user's file has such a name, so what a dead run left behind can be removed.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lifeOf, MARK, ownMark } from './process-mark.js';

/** `.<name>.monoquant-<mark>.partial`, and `.before` for what is being replaced. */
const OWN_NAME = new RegExp(`^\\.(.+)\\.monoquant-(${MARK})\\.(?:partial|before)$`, 's');

/** In bytes. With all the rest it is far below what any file system takes. */
const LONGEST_STEM = 64;

/** A run touches its partial files at this pace, so that other machines see it is alive. */
export const TOUCH_MS = 15_000;
/** Since the last touch: then a run on another machine, or in another container, is over. */
const SILENT_MS = 8 * TOUCH_MS;

export function partialOf(target: string, ending: 'partial' | 'before' = 'partial'): string {
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

/** Another run that is writing the target of `partial`, a file that exists. Removes what dead runs left beside it. */
export function holderBeside(partial: string): Holder | undefined {
  const folder = dirname(partial);
  const stem = OWN_NAME.exec(basename(partial))?.[1];
  let holder: Holder | undefined;
  for (const name of namesIn(folder)) {
    const [, itsStem, mark, pid] = OWN_NAME.exec(name) ?? [];
    if (mark === undefined || mark === ownMark()) continue;
    const life = lifeOf(mark);
    const path = join(folder, name);
    if (life === 'ended' || (life === 'elsewhere' && isSilent(path, partial))) removeFile(path);
    else if (itsStem === stem) holder = { process: Number(pid), isElsewhere: life === 'elsewhere' };
  }
  return holder;
}

/** One may write into some folders without seeing what is there. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** By the clock of the file system: both times are from there, or from clocks that agree within minutes. */
function isSilent(path: string, partial: string): boolean {
  const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  const now = statSync(partial, { throwIfNoEntry: false })?.mtimeMs;
  return touched !== undefined && now !== undefined && now - touched > SILENT_MS;
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is somebody else's to remove, and holds nothing up.
  }
}
