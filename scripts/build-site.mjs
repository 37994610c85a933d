// Builds the static site from web/page and the package that was built before it.
// Why: the page is the package's first consumer, so it takes what ships and not the sources.
// Always: whole or an error; what Vite warns of is an error, too.

import { join } from 'node:path';
import {
  bundledComponents,
  distinct,
  noticesText,
  readComponents,
  withinWllama,
  writeComponents,
} from './components.mjs';
import { step } from './progress.mjs';
import { BuildError } from './run.mjs';

/**
 * @param {string} root the checkout
 * @param {string} dist the folder that has browser/ and wasm/, and gets site/
 */
export async function buildSite(root, dist) {
  await step('building the site', async () => {
    // Loaded only here: when nothing changed, the build must not wait for it.
    const { build, createLogger } = await import('vite');
    const logger = createLogger('warn');
    logger.warn = (message) => {
      // A busy machine is no mistake.
      if (!message.includes('_TIMINGS]')) throw new BuildError(`vite: ${message}`);
    };
    await build({
      configFile: join(root, 'vite.config.ts'),
      logLevel: 'warn',
      customLogger: logger,
      plugins: [
        bundledComponents(root, (own) => noticesFile(dist, [...own, ...withinWllama(root)])),
      ],
      resolve: { alias: { monoquant: join(dist, 'browser', 'index.js') } },
      build: { outDir: join(dist, 'site') },
    });
  });
}

/**
 * @param {string} dist
 * @param {import('./components.mjs').Component[]} own what the page's bundles hold
 */
function noticesFile(dist, own) {
  writeComponents(dist, 'site', own);
  const all = distinct([...readComponents(dist, 'wasm', 'ts'), ...own]);
  return { fileName: 'third-party.txt', source: noticesText(all, 'This site holds') };
}
