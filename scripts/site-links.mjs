// Where the page's links lead: to the source and the documents, as far as the project knows their addresses.
// Why: a checkout does not know where it is published; whoever publishes it writes that into package.json, or says it.
// Always: https: addresses only; what is not known is no link.

/** @typedef {{ title: string, url: string }} Link */

/**
 * @param {{ repository?: string | { url?: string }, homepage?: string }} manifest
 * @param {string} [source] the address of the repository, instead of the manifest's
 * @returns {Link[]}
 */
export function siteLinks({ repository, homepage }, source) {
  const stated = typeof repository === 'string' ? repository : repository?.url;
  const repositoryUrl = webAddress(source ?? stated);
  const links = [
    { title: 'Source', url: repositoryUrl },
    { title: 'Documentation', url: webAddress(homepage) ?? within(repositoryUrl, 'README.md') },
    { title: 'Changes', url: within(repositoryUrl, 'CHANGELOG.md') },
  ];
  return links.flatMap(({ title, url }) => (url === undefined ? [] : [{ title, url }]));
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

/**
 * A file of the repository, as its usual hosts show it.
 * @param {string | undefined} repository
 * @param {string} file
 */
function within(repository, file) {
  return repository && `${repository}/blob/HEAD/${file}`;
}
