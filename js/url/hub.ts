/**
 * Hubs of models: what the address of a page about a model, as people copy it, means for whoever reads the files.
 * One table; a hub is a row.
 */

export interface HubPlace {
  /** Of a file, or of a folder, which ends in `/`. */
  readonly url: URL;
  /** Of the model, if it is all of it. */
  readonly name: string | undefined;
}

interface Hub {
  /** Names of its hosts. */
  readonly hosts: readonly string[];
  /** Of these where files are. */
  readonly host: string;
  /** `/ORG/NAME`, perhaps with `/tree/REVISION/FOLDER` or `/blob/REVISION/FILE`. */
  readonly page: RegExp;
}

const HUBS: readonly Hub[] = [
  {
    hosts: ['huggingface.co', 'www.huggingface.co', 'hf.co'],
    host: 'huggingface.co',
    page: /^\/(?<model>(?:datasets\/|spaces\/)?[^/]+(?:\/[^/]+)?)(?:\/(?<view>tree|blob|raw|resolve)\/(?<revision>[^/]+)(?:\/(?<path>.+?))?)?\/?$/,
  },
];

/** Where the files are that a page of a hub is about; undefined for all other URLs. */
export function hubPlace(page: URL): HubPlace | undefined {
  const hub = HUBS.find(({ hosts }) => hosts.includes(page.hostname));
  const found = hub?.page.exec(page.pathname)?.groups;
  if (hub === undefined || found === undefined) return undefined;
  const { model = '', view = 'tree', revision = 'main', path } = found;
  const url = new URL(page);
  url.host = hub.host;
  url.search = '';
  url.pathname = `/${model}/resolve/${revision}/${path ?? ''}`;
  const isFolder = view === 'tree' && !url.pathname.endsWith('/');
  if (isFolder) url.pathname += '/';
  return { url, name: path === undefined ? model.split('/').at(-1) : undefined };
}
