/**
 * Keeps the site on the device, and can answer with the headers that threads need.
 * It exists for visitors without a network, and for hosts that send no headers of their own.
 * Only files of this site and only while it is visited: models never pass through here.
 */
/** Filled in by the build: the files in assets/, whose names change with their content. */
declare const __SITE_FILES__: readonly string[];

// A service worker of the classic kind, which all browsers have, is one file: it imports nothing.
export {};

interface Scope extends EventTarget {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
}
interface LifeEvent extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface RequestEvent extends LifeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = globalThis as unknown as Scope;
const FILES: readonly string[] = [...__SITE_FILES__, './', 'icon.svg', 'manifest.webmanifest'];

// A later version waits until no tab needs the files of this one any more.
scope.addEventListener('install', (event) => {
  (event as LifeEvent).waitUntil(keepFiles());
});

scope.addEventListener('activate', (event) => {
  (event as LifeEvent).waitUntil(dropOldFiles().then(() => scope.clients.claim()));
});

scope.addEventListener('fetch', (event) => {
  const { request } = event as RequestEvent;
  const isOurs = request.method === 'GET' && request.url.startsWith(scope.registration.scope);
  if (isOurs) (event as RequestEvent).respondWith(answer(request));
});

/**
 * What not every visitor needs is kept when it is loaded: threads in isolated pages, zstd for compressed models, the
 * files of the example, what runs language models.
 */
const LATER = /monoquant-(mt|zstd)|\/digits[-_].*\.safetensors$|\/(talk|wllama)-/;
/** It is the one file whose content can change under its name: kept for this version of the site only. */
const TALK_PAGE = 'talk/index.html';

async function keepFiles(): Promise<void> {
  const cache = await caches.open(__SITE_CACHE__);
  await cache.addAll(FILES.filter((file) => !LATER.test(file)).map(urlOf));
}

async function dropOldFiles(): Promise<void> {
  const cache = await caches.open(__SITE_CACHE__);
  const current = new Set([...FILES, __ISOLATE_MARK__].map(urlOf));
  const old = (await cache.keys()).filter(({ url }) => !current.has(url));
  await Promise.all(old.map((request) => cache.delete(request)));
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(__SITE_CACHE__);
  const response = isPage(request)
    ? await latest(request, cache)
    : request.url.startsWith(urlOf(DOCUMENTS))
      ? await read(request, cache)
      : await kept(request, cache);
  return (await cache.match(urlOf(__ISOLATE_MARK__))) === undefined ? response : isolated(response);
}

/** Other files of the site can be opened in a tab, too. */
function isPage({ mode, url }: Request): boolean {
  const { origin, pathname } = new URL(url);
  return mode === 'navigate' && ['./', 'index.html'].map(urlOf).includes(origin + pathname);
}

/** How long a network may take that accepts a request and never answers. */
const PAGE_MS = 4000;
/** In every version of the page, and in nobody else's. */
const PAGE_MARK = '<title>monoquant';

/**
 * The page itself may have changed; the last one that was seen serves where there is no network, one that does not
 * answer, or one that answers with something else: an error, a page to sign in, a notice that the host is closed.
 */
async function latest(request: Request, cache: Cache): Promise<Response> {
  const seen = await cache.match(urlOf('./'));
  const fetched = ours(request, cache);
  if (seen === undefined) return (await fetched) ?? fetch(request);
  const waited = new Promise<undefined>((resolve) => setTimeout(resolve, PAGE_MS, undefined));
  const response = await Promise.race([fetched.catch(() => undefined), waited]);
  return response ?? seen;
}

/** Undefined if it is not this page that came. */
async function ours(request: Request, cache: Cache): Promise<Response | undefined> {
  const response = await fetch(request);
  // Where it leads to, the browser asks here again.
  if (response.type === 'opaqueredirect') return response;
  if (!response.ok || !(await response.clone().text()).includes(PAGE_MARK)) return undefined;
  await cache.put(urlOf('./'), response.clone());
  return response;
}

/** Their content changes under their names. */
const DOCUMENTS = 'docs/';

/** As it is now, and where there is no network as it was when it was read. */
async function read(request: Request, cache: Cache): Promise<Response> {
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const seen = await cache.match(request);
    if (seen === undefined) throw error;
    return seen;
  }
}

/** What has its content in its name never changes. */
async function kept(request: Request, cache: Cache): Promise<Response> {
  const found = await cache.match(request, { ignoreSearch: true });
  if (found !== undefined) return found;
  const response = await fetch(request);
  const isFile = [...FILES, TALK_PAGE].some((file) => urlOf(file) === request.url);
  if (isFile && response.ok) await cache.put(request, response.clone());
  return response;
}

function isolated(response: Response): Response {
  // Where it leads to, the browser asks here again.
  if (response.type === 'opaqueredirect') return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const { status, statusText, body } = response;
  return new Response(body, { status, statusText, headers });
}

function urlOf(file: string): string {
  return new URL(file, scope.registration.scope).href;
}
