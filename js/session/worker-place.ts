/**
 * Where the script of the engine's worker is, if it does not lie where the package put it.
 * It exists because not every bundler finds a worker and the engine beside it, and none can be asked at run time.
 */
import { checkObject, unexpected } from '../api/check.js';
import { MonoquantError } from '../api/errors.js';

export interface PackageSettings {
  /**
   * The address of `worker.js`, which is in `dist/browser` of the package for pages, and in `dist/node` for Node. It
   * finds the engine in `../wasm`, so both folders have to lie side by side. The default is what the bundler made of
   * it.
   */
  readonly workerUrl?: string | URL | undefined;
}

let chosen: string | URL | undefined;

/** Holds for engines that are started later. */
export function configure(settings: PackageSettings): void {
  const { workerUrl } = checkObject(settings, 'the settings', ['workerUrl']);
  if (workerUrl !== undefined && typeof workerUrl !== 'string' && !(workerUrl instanceof URL)) {
    throw unexpected('an address', 'workerUrl', workerUrl);
  }
  chosen = workerUrl;
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
