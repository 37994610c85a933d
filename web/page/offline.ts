/**
 * The page's side of the service worker: it keeps the site for use without a network, and can isolate the page.
 * It exists because static hosts often send no headers, and threads need two of them.
 * Isolation is the visitor's choice, remembered by the worker, and takes effect with the next load.
 */
import { signal } from '@preact/signals';

/** Whether the whole site is kept on this device. */
export const isOffline = signal(false);

/** Answers of the service worker. */
export type WorkerMessage = 'isolate' | 'do-not-isolate';

/** Set where the page itself asked for isolation: a host's own headers cannot be turned off here. */
const CHOSEN = 'monoquant:isolated';

export async function keepOffline(): Promise<void> {
  if (!import.meta.env.PROD || navigator.serviceWorker === undefined) return;
  try {
    await navigator.serviceWorker.register('./service-worker.js');
    await navigator.serviceWorker.ready;
    await controlled();
    isOffline.value = true;
  } catch {
    // Private windows of some browsers have none; everything else works.
  }
}

export function canEnableThreads(): boolean {
  const isUseful = (navigator.hardwareConcurrency ?? 1) > 1;
  return isUseful && !globalThis.crossOriginIsolated && isOffline.value;
}

export function threadsAreOurs(): boolean {
  return localStorage.getItem(CHOSEN) !== null;
}

export async function enableThreads(): Promise<void> {
  localStorage.setItem(CHOSEN, 'yes');
  await tell('isolate');
  location.reload();
}

export async function disableThreads(): Promise<void> {
  localStorage.removeItem(CHOSEN);
  await tell('do-not-isolate');
  location.reload();
}

/** Done when the worker has written it down. */
function tell(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve();
    navigator.serviceWorker.controller?.postMessage(message, [port2]);
  });
}

function controlled(): Promise<void> {
  if (navigator.serviceWorker.controller !== null) return Promise.resolve();
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true });
  });
}
