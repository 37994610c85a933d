/**
 * Starts the engine's threads in Node.
 * An idle thread does not keep the process alive.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { MOST_THREADS_BY_DEFAULT, type RunOptions } from '../js/api/options.js';
import type { EngineInfo } from '../js/api/types.js';
import { ENGINE_TURNS, type Leave } from '../js/session/engine-turns.js';
import { RestingSessions } from '../js/session/resting.js';
import { Session } from '../js/session/session.js';
import { chosenWorkerUrl, notStarted } from '../js/session/worker-place.js';
import type { ModelFile } from './model-input.js';
import type { OutputPlaces } from './open-file.js';

/** Bytes of a model that make up for starting a thread. */
const BYTES_PER_THREAD = 16 << 20;

const CURE =
  "Bundlers for Node do not take the package's worker along: name monoquant among the external packages.";

export type NodeSession = Session<ModelFile, OutputPlaces, undefined>;

const RESTING = new RestingSessions<ModelFile, OutputPlaces, undefined>();

export interface Helpers {
  readonly sessions: readonly NodeSession[];
  /** After the sessions are released. */
  readonly leave: Leave;
}

/**
 * Sessions that share the work of one that is there. Each has an engine of its own that reads and writes for itself:
 * that is quicker than one thread that does so for engines on shared memory.
 */
export function startHelpers(run: RunOptions, modelBytes: number): Helpers {
  const { taken, leave } = ENGINE_TURNS.takeFree(wantedHelpers(run, modelBytes));
  return { sessions: Array.from({ length: taken }, () => startSession(run)), leave };
}

function wantedHelpers(run: RunOptions, modelBytes: number): number {
  if (run.engine === 'mt') return 0;
  const worthwhile = Math.ceil(modelBytes / BYTES_PER_THREAD);
  const byDefault = Math.min(availableParallelism(), MOST_THREADS_BY_DEFAULT, worthwhile);
  return Math.max((run.threads ?? byDefault) - 1, 0);
}

export function startSession({ engine = 'st', threads, signal }: RunOptions): NodeSession {
  const info: EngineInfo =
    engine === 'st'
      ? { kind: 'st', threads: 1 }
      : { kind: 'mt', threads: threads ?? availableParallelism() };
  const rested = RESTING.take(info);
  if (rested !== undefined) return rested;
  return new Session(
    (onReply, onDeath) => {
      // Flags of the process, such as --input-type, may not fit the worker's file.
      const url = chosenWorkerUrl();
      // Bundlers that know workers look for just this.
      const worker =
        url === undefined
          ? new Worker(new URL('./worker.js', import.meta.url), { execArgv: [] })
          : new Worker(addressOf(url), { execArgv: [] });
      let isHeard = false;
      worker.once('message', () => {
        isHeard = true;
      });
      worker.on('message', onReply);
      worker.on('error', (error) => {
        onDeath(isHeard ? String(error) : notStarted(error.message, CURE));
      });
      worker.on('exit', (code) => onDeath(`exit code ${code}`));
      const isUp = new Promise((resolve) => worker.once('message', resolve).once('exit', resolve));
      return {
        post: (request) => worker.postMessage(request),
        terminate: async () => {
          // Node never closes the files of modules that a thread was loading when it was ended.
          worker.ref();
          await isUp;
          await worker.terminate();
        },
        keepAlive: (isNeeded) => (isNeeded ? worker.ref() : worker.unref()),
      };
    },
    info,
    (session) => RESTING.add(session),
    signal,
  );
}

/** A path with a drive is none of those that a URL can begin with. */
export function addressOf(url: string | URL): URL {
  const isPath = typeof url === 'string' && /^[a-z]:[\\/]/i.test(url);
  return isPath ? pathToFileURL(url, { windows: true }) : new URL(url, import.meta.url);
}
