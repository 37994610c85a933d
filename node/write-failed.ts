/**
 * The error of an output that could not be written.
 * Says in words what the system says in codes.
 */
import { dirname } from 'node:path';
import { MonoquantError } from '../js/api/errors.js';
import { codeOf, reasonOf } from './reason.js';

/** `path` is the output; what is a MonoquantError already stays as it is. */
export function writeFailed(path: string, cause: unknown): MonoquantError {
  if (cause instanceof MonoquantError) return cause;
  const code = codeOf(cause);
  const reason = code === 'ENOENT' ? `there is no folder "${dirname(path)}"` : reasonOf(cause);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new MonoquantError('write-failed', `Could not write "${path}": ${reason}.`, {
    suggestion: isFull ? 'Make room, or write to another disk.' : undefined,
    cause,
  });
}
