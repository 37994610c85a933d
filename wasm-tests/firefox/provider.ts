/**
 * Firefox as a place in which Vitest runs tests: it opens the pages, Vitest does the rest.
 * It exists because Vitest's own providers need other builds of Firefox, or programs that are not packaged.
 * One page at a time; tests that ask for the provider's commands (clicks, screenshots) are not for it.
 */
import { defineBrowserProvider } from '@vitest/browser';
import { Firefox } from './firefox.js';

export const firefoxProvider = defineBrowserProvider({
  name: 'firefox',
  supportedBrowser: ['firefox'],
  providerFactory: () => {
    let launched: Promise<Firefox> | undefined;
    return {
      name: 'firefox',
      supportsParallelism: false,
      getCommandsContext: () => ({}),
      openPage: async (_session, url) => {
        launched ??= Firefox.launch();
        await (await launched).open(url);
      },
      close: async () => (await launched)?.close(),
    };
  },
});
