/**
 * Which process made a file, as a part of the file's name, and whether that process still runs.
 * It exists so that a lock ends with its holder, whatever ended it: nothing has to be taken back.
 * A process number alone is reused; with the time of its birth it is not. Other machines and containers have other
 * numbers: of a process there nothing can be said.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { codeOf } from './reason.js';

/** `<process>-<birth>-<realm>`; the groups are these three. */
export const MARK = '([0-9]{1,10})-([0-9a-f]{8})-([0-9a-f]{8})';

/** What a system without /proc knows of births. */
const UNKNOWN_BIRTH = '00000000';

export type Life = 'running' | 'ended' | 'elsewhere';

let own: string | undefined;

/** Of this process. */
export function ownMark(): string {
  own ??= `${process.pid}-${birthOf(process.pid) ?? UNKNOWN_BIRTH}-${realm()}`;
  return own;
}

/** Of the process with this mark. */
export function lifeOf(mark: string): Life {
  const [pid = '', birth = '', itsRealm = ''] = mark.split('-');
  if (mark === ownMark()) return 'running';
  if (itsRealm !== realm()) return 'elsewhere';
  if (!isThere(Number(pid))) return 'ended';
  const found = birthOf(Number(pid));
  // Of a process that may not be looked at, its number has to do.
  if (found === undefined || birth === UNKNOWN_BIRTH) return 'running';
  return found === birth ? 'running' : 'ended';
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** Fields of /proc/PID/stat behind the name, which may hold anything: proc(5). */
const STATE = 0;
const START_TIME = 19;

/** Differs between all processes of a machine, also across its restarts; undefined if the system does not say. */
function birthOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Killed, and nobody has asked what became of it: it writes no more.
    if (fields[STATE] === 'Z' || fields[STATE] === 'X') return digest('ended');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1');
    return digest(`${boot} ${fields[START_TIME]}`);
  } catch {
    return undefined;
  }
}

/** Where process numbers mean the same. */
function realm(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has several on one machine.
  }
  return digest(`${hostname()} ${namespace}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
