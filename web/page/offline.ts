/**
 * The page's side of the service worker: it keeps the site for use without a network, and can isolate the page.
 * It exists because static hosts often send no headers, and threads need two of them.
 * Isolation is the visitor's choice, kept where the worker looks it up, and takes effect with the next load.
 */
import { signal } from '@preact/signals';
import { preload } from 'monoquant';

/** Whether the whole site is kept on this device. */
export const isOffline = signal(false);
/** Whether the visitor asked for isolation: a host's own headers cannot be turned off here. */
export const isIsolatedByChoice = signal(false);

let settle = () => {};
/** Done when the service worker has taken the page over, or none will. */
export const isSettled = new Promise<void>((resolve) => {
  settle = resolve;
});

export async function keepOffline(): Promise<void> {
  await keepSite();
  settle();
}

async function keepSite(): Promise<void> {
  if (!import.meta.env.PROD || navigator.serviceWorker === undefined) return;
  try {
    await navigator.serviceWorker.register('./service-worker.js');
    await navigator.serviceWorker.ready;
    await controlled();
    const cache = await caches.open(__SITE_CACHE__);
    isIsolatedByChoice.value = (await cache.match(__ISOLATE_MARK__)) !== undefined;
    await keepThreads(cache);
    isOffline.value = true;
  } catch {
    // Private windows of some browsers have none; everything else works.
  }
}

/** Whether threads can be had by asking for them. */
export function canEnableThreads(): boolean {
  const isUseful = (navigator.hardwareConcurrency ?? 1) > 1;
  return isUseful && !globalThis.crossOriginIsolated && isOffline.value;
}

/** Loads the page anew, isolated or not. */
export async function chooseIsolation(isWished: boolean): Promise<void> {
  const cache = await caches.open(__SITE_CACHE__);
  if (isWished) await cache.put(__ISOLATE_MARK__, new Response('yes'));
  else await cache.delete(__ISOLATE_MARK__);
  location.reload();
}

/**
 * On a first visit the engine with threads came before there was a service worker to keep it: it is loaded once more,
 * mostly from the browser's own cache.
 */
async function keepThreads(cache: Cache): Promise<void> {
  if (!globalThis.crossOriginIsolated) return;
  const kept = await cache.keys();
  if (!kept.some(({ url }) => /monoquant-mt-.*\.wasm$/.test(url))) await preload();
}

function controlled(): Promise<void> {
  if (navigator.serviceWorker.controller !== null) return Promise.resolve();
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true });
  });
}
