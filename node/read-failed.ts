/**
 * The error of a file that could not be read.
 */
import { MonoquantError } from '../js/api/errors.js';
import { reasonOf } from './reason.js';

/** `offset` is the place in the file, in bytes. */
export function readFailed(path: string, cause: unknown, offset?: number): MonoquantError {
  if (cause instanceof MonoquantError) return cause;
  return new MonoquantError('read-failed', `Could not read "${path}": ${reasonOf(cause)}.`, {
    offset,
    cause,
  });
}
