/**
 * Settings of the package as a whole, for this process or this page.
 */
import { checkObject } from '../api/check.js';
import { ENGINE_TURNS } from './engine-turns.js';
import { chooseWorkerUrl } from './worker-place.js';

export interface PackageSettings {
  /**
   * The address of `worker.js`, which is in `dist/browser` of the package for pages, and in `dist/node` for Node. It
   * finds the engine in `../wasm`, so both folders have to lie side by side. The default is what the bundler made of
   * it. Holds for engines that are started later.
   */
  readonly workerUrl?: string | URL | undefined;
  /**
   * How many engines work at once, for servers: a call that finds none free waits for its turn, in the order of calls,
   * and a call that would share its work among several takes only those that are free. The results are the same. An
   * open model takes its turn for each of its calls. The default is no limit.
   */
  readonly maxEngines?: number | undefined;
}

const SETTERS = {
  workerUrl: chooseWorkerUrl,
  maxEngines: (most: unknown) => ENGINE_TURNS.limit(most),
} as const satisfies Record<keyof PackageSettings, (value: unknown) => void>;

/** Settings that are not named stay as they are; undefined is the default again. */
export function configure(settings: PackageSettings): void {
  const given = checkObject(settings, 'the settings', Object.keys(SETTERS));
  for (const [key, value] of Object.entries(given)) SETTERS[key as keyof PackageSettings](value);
}
