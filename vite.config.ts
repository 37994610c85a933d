/**
 * The site: web/page and the package's browser entry, as static files for any host and any folder of it.
 * It exists as the one place that says how the site is built and which headers it is served with.
 * The built page has no inline script and may talk to nobody but where it came from.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { DOCUMENT_POLICY, siteDocuments } from './scripts/site-documents.mjs';
import { repositoryOf, siteLinks } from './scripts/site-links.mjs';

const ROOT = import.meta.dirname;
const PAGE = join(ROOT, 'web/page');
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** 'wasm-unsafe-eval' lets WebAssembly compile, and nothing else. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "frame-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** Of the frame that is made when somebody opens a URL: it asks servers, and can do nothing else. */
const NETWORK_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
const NETWORK = 'network/';

/**
 * Of the frame that is made when somebody wants to talk to a language model: what runs it makes its workers from code of
 * its own, which has no address. It reaches nothing but this site.
 */
const TALK_POLICY = [
  "default-src 'none'",
  "script-src 'self' blob: 'wasm-unsafe-eval'",
  'worker-src blob:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
const TALK = 'talk/';

/** With these, the engine may have threads on shared memory. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const HEADERS = {
  ...ISOLATION,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A page cannot say by itself who may have it in a frame, only its server can. */
const PAGE_HEADERS = { 'Content-Security-Policy': `${PAGE_POLICY}; frame-ancestors 'none'` };
const NETWORK_HEADERS = { 'Content-Security-Policy': `${NETWORK_POLICY}; frame-ancestors 'self'` };

const DOCUMENTS = 'docs/';
const DOCUMENT_HEADERS = {
  'Content-Security-Policy': `${DOCUMENT_POLICY}; frame-ancestors 'none'`,
};

const TALK_HEADERS = { 'Content-Security-Policy': `${TALK_POLICY}; frame-ancestors 'self'` };

/** Names of files in assets/ change with their content. */
const FOR_EVER = { 'Cache-Control': 'public, max-age=31536000, immutable' };

/** By paths, of which none but the first holds beside another: hosts add up what two rules say of one header. */
const RULES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '/*': HEADERS,
  '/': PAGE_HEADERS,
  '/index.html': PAGE_HEADERS,
  '/service-worker.js': PAGE_HEADERS,
  '/assets/*': { ...PAGE_HEADERS, ...FOR_EVER },
  [`/${NETWORK}*`]: NETWORK_HEADERS,
  [`/${TALK}*`]: TALK_HEADERS,
  [`/${DOCUMENTS}*`]: DOCUMENT_HEADERS,
};

const SERVICE_WORKER = 'service-worker';

export default defineConfig({
  root: PAGE,
  base: './',
  resolve: {
    alias: { monoquant: join(ROOT, 'dist/browser/index.js') },
  },
  plugins: [
    contentSecurityPolicy(),
    sharedPicture(),
    documentFiles(),
    headersFile(),
    offlineFiles(),
  ],
  // Known to the page and to its service worker, which share no code.
  define: {
    __SITE_CACHE__: '"monoquant"',
    __ISOLATE_MARK__: '"isolate"',
    __LINKS__: JSON.stringify(siteLinks(MANIFEST, process.env.MONOQUANT_SOURCE_URL)),
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  worker: {
    format: 'es',
    plugins: () => [engineAlone()],
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
      },
    },
  },
  build: {
    outDir: join(ROOT, 'dist/site'),
    emptyOutDir: true,
    target: 'es2022',
    // Small files stay files: what is inlined would be compressed badly and forbidden by the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: join(PAGE, 'index.html'),
        network: join(PAGE, NETWORK, 'index.html'),
        talk: join(PAGE, TALK, 'index.html'),
        [SERVICE_WORKER]: join(PAGE, 'service-worker.ts'),
      },
      output: {
        // What a first view has of the package is one file, which is compressed better than several.
        codeSplitting: { groups: [{ name: 'browser', test: isOfFirstView }] },
        // A service worker rules the folder that it lies in, and is known by its name.
        entryFileNames: ({ name }) =>
          name === SERVICE_WORKER ? '[name].js' : 'assets/[name]-[hash].js',
      },
    },
  },
  server: { host: '127.0.0.1', headers: ISOLATION, fs: { allow: [ROOT] } },
  preview: { host: '127.0.0.1', headers: HEADERS },
});

/** Of the package: all but what is loaded when it is asked for. */
function isOfFirstView(file: string): boolean {
  return /\/browser\/[\w-]+\.js$/.test(file) && !/\/chunk-(report|seldom|patterns)\.js$/.test(file);
}

/** The package's worker knows how to start both engines; the page's fetches what starts the one that it takes. */
function engineAlone(): Plugin {
  const mark = '?when-needed';
  return {
    name: 'engine-alone',
    enforce: 'pre',
    async resolveId(source, importer, options) {
      if (!importer?.endsWith('/browser/worker.js') || !source.includes('/wasm/')) return null;
      const found = await this.resolve(source, importer, { ...options, skipSelf: true });
      return found && `${found.id}${mark}`;
    },
    load(id) {
      if (!id.endsWith(mark)) return null;
      const engine = JSON.stringify(id.slice(0, -mark.length));
      return `export default async (choices) => (await import(${engine})).default(choices);`;
    },
  };
}

/** For hosts that send no headers. Not while developing, where Vite adds scripts of its own. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: (_, { path }) => [
      {
        tag: 'meta',
        attrs: {
          'http-equiv': 'Content-Security-Policy',
          content: policyOf(path),
        },
        injectTo: 'head-prepend',
      },
    ],
  };
}

function policyOf(path: string): string {
  if (path.startsWith(`/${NETWORK}`)) return NETWORK_POLICY;
  return path.startsWith(`/${TALK}`) ? TALK_POLICY : PAGE_POLICY;
}

/** Those who show links want whole addresses of pictures, and only the host knows its own. */
function sharedPicture(): Plugin {
  const address = process.env.MONOQUANT_SITE_URL;
  return {
    name: 'shared-picture',
    apply: 'build',
    transformIndexHtml: (html) =>
      address === undefined
        ? html
        : html.replace('"./picture.png"', JSON.stringify(new URL('picture.png', address).href)),
  };
}

/** What is written about the page and the command, for the site itself. */
function documentFiles(): Plugin {
  return {
    name: 'document-files',
    apply: 'build',
    generateBundle() {
      const repository = repositoryOf(MANIFEST, process.env.MONOQUANT_SOURCE_URL);
      for (const file of siteDocuments(ROOT, repository)) {
        this.emitFile({ type: 'asset', ...file });
      }
    },
  };
}

/** `_headers`, as several static hosts read it. */
function headersFile(): Plugin {
  return {
    name: 'headers-file',
    apply: 'build',
    generateBundle() {
      const lines = Object.entries(RULES).flatMap(([path, headers]) => [
        path,
        ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`),
      ]);
      this.emitFile({ type: 'asset', fileName: '_headers', source: `${lines.join('\n')}\n` });
    },
  };
}

/** Tells the service worker what the site is made of. */
function offlineFiles(): Plugin {
  return {
    name: 'offline-files',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const worker = bundle[`${SERVICE_WORKER}.js`];
      if (worker?.type !== 'chunk') this.error('There is no service worker in the bundle.');
      const files = Object.keys(bundle).filter((file) => file.startsWith('assets/'));
      worker.code = worker.code.replace('__SITE_FILES__', JSON.stringify(files.sort()));
    },
  };
}
