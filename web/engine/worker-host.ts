/**
 * Starts the engine's worker in browsers.
 * Bundlers look for exactly this way of writing a worker's URL.
 */
import { MOST_THREADS_BY_DEFAULT, type RunOptions } from '../../js/api/options.js';
import type { EngineInfo } from '../../js/api/types.js';
import type { OneOrShards } from '../../js/engine/shards.js';
import { RestingSessions } from '../../js/session/resting.js';
import { Session } from '../../js/session/session.js';

export type WebSession = Session<OneOrShards<Blob>, string, Blob>;

const RESTING = new RestingSessions<OneOrShards<Blob>, string, Blob>();

export function startSession({ engine: kind, threads, signal }: RunOptions): WebSession {
  const offered = navigator.hardwareConcurrency ?? 1;
  const count = threads ?? Math.min(offered, MOST_THREADS_BY_DEFAULT);
  const engine: EngineInfo = { kind: kind ?? (count > 1 ? 'mt' : 'st'), threads: count };
  const rested = RESTING.take(engine);
  if (rested !== undefined) return rested;
  return new Session(
    (onReply, onDeath) => {
      const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
      worker.addEventListener('message', (event) => onReply(event.data));
      worker.addEventListener('messageerror', () => onDeath('a message could not be read'));
      worker.addEventListener('error', (event) => {
        onDeath(event.message || 'its script could not be loaded');
      });
      return {
        post: (request) => worker.postMessage(request),
        terminate: async () => worker.terminate(),
        keepAlive: () => {},
      };
    },
    engine,
    (session) => RESTING.add(session),
    signal,
  );
}
