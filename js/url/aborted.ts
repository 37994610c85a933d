/**
 * The error of a call that its caller has ended.
 */
import { MonoquantError } from '../api/errors.js';

export function aborted(signal: AbortSignal): MonoquantError {
  return new MonoquantError('aborted', 'The call was aborted.', { cause: signal.reason });
}
