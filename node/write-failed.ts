/**
 * The error of an output that could not be written.
 * Says in words what the system says in codes.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import { codeOf, reasonOf } from './reason.js';

/** `path` is the output; what is a MonoquantError already stays as it is. */
export function writeFailed(path: string, cause: unknown): MonoquantError {
  if (cause instanceof MonoquantError) return cause;
  const code = codeOf(cause);
  const folder = dirname(path);
  const isMissing = code === 'ENOENT' && !existsSync(folder);
  const reason = isMissing ? `there is no folder "${folder}"` : reasonOf(cause);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new MonoquantError('write-failed', `Could not write "${path}": ${reason}.`, {
    suggestion: isFull ? 'Make room, or write to another disk.' : undefined,
    cause,
  });
}
