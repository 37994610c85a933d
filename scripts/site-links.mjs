// Where the page's links lead outside: to the source and the project's own page, as far as their addresses are known.
// Why: a checkout does not know where it is published; whoever publishes it writes that into package.json, or says it.
// Always: https: addresses only; what is not known is no link.

/** @typedef {{ title: string, url: string }} Link */

/**
 * @param {{ repository?: string | { url?: string }, homepage?: string }} manifest
 * @param {string} [source] the address of the repository, instead of the manifest's
 * @returns {Link[]}
 */
export function siteLinks(manifest, source) {
  const links = [
    { title: 'Source', url: repositoryOf(manifest, source) },
    { title: 'Project', url: webAddress(manifest.homepage) },
  ];
  return links.flatMap(({ title, url }) => (url === undefined ? [] : [{ title, url }]));
}

/**
 * @param {{ repository?: string | { url?: string } }} manifest
 * @param {string} [source]
 * @returns {string | undefined}
 */
export function repositoryOf({ repository }, source) {
  const stated = typeof repository === 'string' ? repository : repository?.url;
  return webAddress(source ?? stated);
}

/**
 * Of what npm takes for a repository: `github:owner/name`, `git+https://…`, `git@host:owner/name.git`.
 * @param {string | undefined} stated
 * @returns {string | undefined}
 */
function webAddress(stated) {
  if (stated === undefined) return undefined;
  const [, host, path] = /^(github|gitlab|bitbucket):([\w./-]+)$/.exec(stated) ?? [];
  const hosts = { github: 'github.com', gitlab: 'gitlab.com', bitbucket: 'bitbucket.org' };
  const url =
    host === undefined
      ? stated.replace(/^git@([^:]+):/, 'https://$1/').replace(/^git\+(?=https:)/, '')
      : `https://${hosts[/** @type {keyof typeof hosts} */ (host)]}/${path}`;
  const isAddress = URL.canParse(url) && new URL(url).protocol === 'https:';
  return isAddress ? url.replace(/\.git$|\/+$/, '') : undefined;
}
