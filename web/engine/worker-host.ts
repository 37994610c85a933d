/**
 * Starts the engine's worker in browsers, and starts it again if it stands still: now and then Firefox never comes
 * back from starting a worker within a worker, which is how an engine gets its threads.
 * Bundlers look for exactly this way of writing a worker's URL.
 */
import type { MonoquantError } from '../../js/api/errors.js';
import { MOST_THREADS_BY_DEFAULT, type RunOptions } from '../../js/api/options.js';
import type { EngineInfo } from '../../js/api/types.js';
import type { OneOrShards } from '../../js/engine/shards.js';
import { RestingSessions } from '../../js/session/resting.js';
import { Session, type SpawnedWorker } from '../../js/session/session.js';
import { chosenWorkerUrl, notStarted } from '../../js/session/worker-place.js';
import type { Reply } from '../../js/worker/protocol.js';
import { linked, type WebRequest, type WebSource } from './readable-file.js';

export type WebSession = Session<OneOrShards<WebSource>, string, Blob>;

/** How long a worker may take to say something. The last one may take as long as the network does. */
const START_MS = 10_000;
const MOST_STARTS = 3;

const WITHOUT_THREADS: EngineInfo = { kind: 'st', threads: 1 };

const CURE =
  'Serve the folders dist/browser and dist/wasm of the package side by side, and tell where: ' +
  "configure({ workerUrl: '/monoquant/browser/worker.js' }).";

const RESTING = new RestingSessions<OneOrShards<WebSource>, string, Blob>();

export function startSession(run: RunOptions): WebSession {
  return RESTING.take(engineFor(run)) ?? startAnew(run);
}

/** Also if an engine rests: its files are asked for. */
export function startAnew(run: RunOptions): WebSession {
  return new Session(
    (onReply, onDeath) => new EngineWorker(onReply, onDeath),
    engineFor(run),
    (session) => RESTING.add(session),
    run.signal,
  );
}

function engineFor({ engine: kind, threads }: RunOptions): EngineInfo {
  const offered = navigator.hardwareConcurrency ?? 1;
  const count = threads ?? Math.min(offered, MOST_THREADS_BY_DEFAULT);
  return { kind: kind ?? (count > 1 ? 'mt' : 'st'), threads: count };
}

class EngineWorker implements SpawnedWorker<OneOrShards<WebSource>, string> {
  readonly #onReply: (reply: Reply) => void;
  readonly #onDeath: (reason: string | MonoquantError) => void;
  /** What a worker that has not said anything yet was asked; undefined once it has. */
  #unheard: WebRequest[] | undefined = [];
  #starts = 0;
  #worker: Worker | undefined;
  #timer: number | undefined;

  constructor(onReply: (reply: Reply) => void, onDeath: (reason: string | MonoquantError) => void) {
    this.#onReply = onReply;
    this.#onDeath = onDeath;
    this.#start();
  }

  post(request: WebRequest): void {
    this.#unheard?.push(request);
    if (this.#worker !== undefined) send(this.#worker, request);
  }

  async terminate(): Promise<void> {
    clearTimeout(this.#timer);
    this.#worker?.terminate();
  }

  keepAlive(): void {}

  /** Once more with threads, then without. */
  #start(): void {
    this.#worker?.terminate();
    this.#starts += 1;
    if (this.#starts === MOST_STARTS) this.#unheard = this.#unheard?.map(withoutThreads);
    const worker = this.#spawn();
    if (worker === undefined) return;
    this.#worker = worker;
    worker.addEventListener('message', (event) => {
      this.#unheard = undefined;
      clearTimeout(this.#timer);
      this.#onReply(event.data);
    });
    worker.addEventListener('messageerror', () => this.#onDeath('a message could not be read'));
    worker.addEventListener('error', (event) => {
      if (this.#unheard === undefined) this.#onDeath(event.message);
      else this.#fail(event.message || 'its script could not be loaded');
    });
    for (const request of this.#unheard ?? []) send(worker, request);
    if (this.#starts < MOST_STARTS) this.#timer = setTimeout(() => this.#start(), START_MS);
  }

  /** Undefined if the browser refuses the address. */
  #spawn(): Worker | undefined {
    const url = chosenWorkerUrl();
    try {
      return url === undefined
        ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
        : new Worker(url, { type: 'module' });
    } catch (error) {
      // Not at once: whoever starts a session has not got it yet.
      queueMicrotask(() => this.#fail(error instanceof Error ? error.message : String(error)));
      return undefined;
    }
  }

  #fail(reason: string): void {
    clearTimeout(this.#timer);
    this.#onDeath(notStarted(reason, CURE));
  }
}

function send(worker: Worker, request: WebRequest): void {
  const { message, ports } = linked(request);
  worker.postMessage(message, ports);
}

function withoutThreads(request: WebRequest): WebRequest {
  return request.kind === 'load' ? { ...request, parameters: WITHOUT_THREADS } : request;
}
