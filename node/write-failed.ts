/**
 * The error of an output that could not be written.
 * Says in words what the system says in codes.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import { codeOf, reasonOf } from './reason.js';

/** What Windows says of a file that a program has open, and of one that may not be written. */
const IN_USE = ['EBUSY', 'EACCES', 'EPERM'];

/** `path` is the output; what is a MonoquantError already stays as it is. */
export function writeFailed(
  path: string,
  cause: unknown,
  platform: string = process.platform,
): MonoquantError {
  if (cause instanceof MonoquantError) return cause;
  const code = codeOf(cause);
  const folder = dirname(path);
  const isMissing = code === 'ENOENT' && !existsSync(folder);
  const reason = isMissing ? `there is no folder "${folder}"` : reasonOf(cause);
  return new MonoquantError('write-failed', `Could not write "${path}": ${reason}.`, {
    suggestion: cureOf(code, platform),
    cause,
  });
}

function cureOf(code: string | undefined, platform: string): string | undefined {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'Make room, or write to another disk.';
  if (platform !== 'win32' || !IN_USE.includes(code ?? '')) return undefined;
  return 'Close the programs that have it open, a preview of the Explorer too, or choose another name.';
}
