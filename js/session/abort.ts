/**
 * What a signal of the caller does to work that waits or has not begun.
 */
import { MonoquantError } from '../api/errors.js';

export function aborted(signal: AbortSignal | undefined): MonoquantError {
  return new MonoquantError('aborted', 'The call was aborted.', { cause: signal?.reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/** Waits until it is done; an abort by any of the signals ends the waiting at once. */
export async function unlessAborted(
  done: Promise<unknown>,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<void> {
  let stop = () => {};
  const isAborted = new Promise<void>((resolve) => {
    stop = resolve;
  });
  for (const signal of signals) signal?.addEventListener('abort', stop, { once: true });
  await Promise.race([done, isAborted]);
  for (const signal of signals) signal?.removeEventListener('abort', stop);
  for (const signal of signals) throwIfAborted(signal);
}
