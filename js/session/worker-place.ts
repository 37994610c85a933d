/**
 * Where the script of the engine's worker is, if it does not lie where the package put it.
 * It exists because not every bundler finds a worker and the engine beside it, and none can be asked at run time.
 */
import { unexpected } from '../api/check.js';
import { MonoquantError } from '../api/errors.js';

let chosen: string | URL | undefined;

/** Holds for engines that are started later. */
export function chooseWorkerUrl(url: unknown): void {
  if (url !== undefined && typeof url !== 'string' && !(url instanceof URL)) {
    throw unexpected('an address', 'workerUrl', url);
  }
  chosen = url;
}

export function chosenWorkerUrl(): string | URL | undefined {
  return chosen;
}

/** For a worker that has never said anything. `reason` may be a sentence; `cure` is what helps with bundlers. */
export function notStarted(reason: string, cure: string): MonoquantError {
  return new MonoquantError(
    'engine-unavailable',
    `The engine's worker could not be started: ${reason.replace(/\.$/, '')}.`,
    { suggestion: cure },
  );
}
