// Text that bundlers read is in quotes again.
// Why: the minifier writes all text as templates, and not every bundler looks for a worker or a URL in one.
// Always: the code stays as long as it was, so that its source map holds.

/** @param {string} code minified */
export function quoted(code) {
  return code
    .replace(/new URL\(`([^`$]+)`,import\.meta\.url\)/g, 'new URL("$1",import.meta.url)')
    .replace(/(?<=,)\{type:`module`[^{}]*\}(?=\))/g, (options) => options.replaceAll('`', '"'));
}

/** A plugin for Rolldown. */
export const quotedUrls = {
  name: 'quoted-urls',
  /**
   * @param {unknown} _options
   * @param {Record<string, any>} bundle
   */
  generateBundle(_options, bundle) {
    for (const output of Object.values(bundle)) {
      if (output.type === 'chunk') output.code = quoted(output.code);
    }
  },
};
