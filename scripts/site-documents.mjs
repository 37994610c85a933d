// The documents of the project as pages of the site: every Markdown file of docs/, and those that lead to them.
// Why: whoever uses the page looks for them there, and no other host has to be asked for them.
// Always: only the Markdown that our documents use; text stays text, and a link to what is not here leads to the source.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

/** What visitors look for first, and what few do, by the names that they have in the site. */
const FIRST = { 'README.md': 'index.html', 'docs/using-the-page.md': 'using-the-page.html' };
const LAST = {
  'examples/README.md': 'examples.html',
  'CHANGELOG.md': 'changelog.html',
  'SECURITY.md': 'security.html',
  'CONTRIBUTING.md': 'contributing.html',
};

/** They need no script, and ask for nothing but their style and pictures. */
export const DOCUMENT_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";

/** @typedef {{ fileName: string, source: string | Uint8Array }} SiteFile */

/**
 * @param {string} root of the checkout
 * @param {string | undefined} repository where files that are no documents can be seen
 * @returns {SiteFile[]} below docs/
 */
export function siteDocuments(root, repository) {
  const pages = new Map(Object.entries(FIRST));
  const own = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  for (const name of own.sort()) pages.set(`docs/${name}`, name.replace(/md$/, 'html'));
  for (const [path, page] of Object.entries(LAST)) pages.set(path, page);
  const texts = [...pages].map(([path, page]) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, page, text, title: /^# (.+)$/m.exec(text)?.[1] ?? page };
  });
  const titles = texts.map(({ page, title }) => ({ page, title }));
  /** @type {Set<string>} */
  const pictures = new Set();
  const documents = texts.map(({ path, page, text, title }) => {
    const link = linksFrom(path, pages, repository, pictures);
    const source = pageOf(title, page, titles, htmlOf(text, link));
    return { fileName: `docs/${page}`, source };
  });
  const files = [...pictures].map((path) => ({
    fileName: `docs/pictures/${basename(path)}`,
    source: readFileSync(join(root, path)),
  }));
  const style = ['tokens.css', 'document.css'].map((name) =>
    readFileSync(join(root, 'web/page/style', name), 'utf8'),
  );
  return [...documents, ...files, { fileName: 'docs/document.css', source: style.join('\n') }];
}

/** @typedef {(target: string, isPicture: boolean) => string | undefined} Link undefined: it leads nowhere */

/**
 * @param {string} from the path of the document
 * @param {ReadonlyMap<string, string>} pages
 * @param {string | undefined} repository
 * @param {Set<string>} pictures gets those that are shown
 * @returns {Link}
 */
function linksFrom(from, pages, repository, pictures) {
  return (target, isPicture) => {
    if (/^https?:/.test(target)) return target;
    if (target.startsWith('#')) return target;
    const [path = '', hash] = target.split('#');
    const full = normalize(join(dirname(from), path)).replaceAll('\\', '/');
    if (isPicture) {
      pictures.add(full);
      return `pictures/${basename(full)}`;
    }
    const place = hash === undefined ? '' : `#${hash}`;
    const page = pages.get(full);
    if (page !== undefined) return page + place;
    return repository && `${repository}/blob/HEAD/${full}${place}`;
  };
}

/**
 * @param {string} title
 * @param {string} page
 * @param {readonly { page: string, title: string }[]} titles
 * @param {string} content
 */
function pageOf(title, page, titles, content) {
  const entries = titles.map((other) => {
    const current = other.page === page ? ' aria-current="page"' : '';
    return `<li><a href="${other.page}"${current}>${inline(other.title, () => undefined)}</a></li>`;
  });
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${DOCUMENT_POLICY}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escaped(title.replaceAll('`', ''))}${page === 'index.html' ? '' : ' · monoquant'}</title>
    <link rel="icon" href="../icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="document.css" />
  </head>
  <body>
    <header><a class="brand" href="../"><img src="../icon.svg" alt="" width="28" height="28" />monoquant</a></header>
    <div class="columns">
      <main>
${content}
      </main>
      <nav aria-label="Documents">
        <ul>
${entries.join('\n')}
        </ul>
      </nav>
    </div>
  </body>
</html>
`;
}

/**
 * @param {string} markdown
 * @param {Link} link
 */
export function htmlOf(markdown, link) {
  return blocks(markdown.replace(/<!--.*?-->\n?/gs, '').split('\n'), link);
}

const ITEM = /^([-*]|\d+\.) +/;

/**
 * @param {string[]} lines
 * @param {Link} link
 * @returns {string}
 */
function blocks(lines, link) {
  const made = [];
  let at = 0;
  /** Lines from here on, as long as they belong to it. @param {(line: string) => boolean} belongs */
  const take = (belongs) => {
    const begin = at;
    while (at < lines.length && belongs(lines[at] ?? '')) at++;
    return lines.slice(begin, at);
  };
  while (at < lines.length) {
    const line = lines[at] ?? '';
    const [, level, heading] = /^(#{1,6}) (.+)$/.exec(line) ?? [];
    const marker = ITEM.exec(line)?.[1];
    if (line.trim() === '') at++;
    else if (line.startsWith('```')) {
      at++;
      const code = take((each) => !each.startsWith('```'));
      at++;
      made.push(`<pre tabindex="0"><code>${escaped(code.join('\n'))}</code></pre>`);
    } else if (level !== undefined && heading !== undefined) {
      at++;
      const name = `h${level.length}`;
      made.push(`<${name} id="${anchorOf(heading)}">${inline(heading, link)}</${name}>`);
    } else if (line.startsWith('|'))
      made.push(
        tableOf(
          take((each) => each.startsWith('|')),
          link,
        ),
      );
    else if (marker !== undefined) {
      const isOrdered = marker.endsWith('.');
      made.push(listOf(take(within(isOrdered)), isOrdered, link));
    } else {
      const text = take((each) => each.trim() !== '' && !/^(#{1,6} |```|\|)/.test(each));
      made.push(`<p>${inline(text.join('\n'), link)}</p>`);
    }
  }
  return made.join('\n');
}

/** Whether a line goes on with a list: another item, or something that is indented, with empty lines between. */
function within(/** @type {boolean} */ isOrdered) {
  let wasEmpty = false;
  return (/** @type {string} */ line) => {
    const marker = ITEM.exec(line)?.[1];
    const isItem = marker !== undefined && marker.endsWith('.') === isOrdered;
    const isEmpty = line.trim() === '';
    const belongs = isEmpty || isItem || /^ /.test(line) || (!wasEmpty && marker === undefined);
    wasEmpty = isEmpty;
    return belongs;
  };
}

/**
 * @param {string[]} lines
 * @param {boolean} isOrdered
 * @param {Link} link
 */
function listOf(lines, isOrdered, link) {
  /** @type {string[][]} */
  const items = [];
  for (const line of lines) {
    const marker = ITEM.exec(line)?.[0];
    if (marker !== undefined) items.push([line.slice(marker.length)]);
    else items.at(-1)?.push(line.replace(/^ {1,3}/, ''));
  }
  const name = isOrdered ? 'ol' : 'ul';
  const made = items.map((item) => {
    const content = blocks(item, link);
    // One paragraph needs no room around it.
    const [, only] = /^<p>((?:(?!<p>).)*)<\/p>$/s.exec(content) ?? [];
    return `<li>${only ?? content}</li>`;
  });
  return `<${name}>\n${made.join('\n')}\n</${name}>`;
}

/**
 * @param {string[]} lines
 * @param {Link} link
 */
function tableOf(lines, link) {
  const [head = [], marks = [], ...rows] = lines.map(cellsOf);
  const classes = marks.map((mark) => (mark.endsWith(':') ? ' class="number"' : ''));
  const rowOf = (/** @type {string[]} */ cells, /** @type {string} */ name) =>
    `<tr>${cells.map((cell, at) => `<${name}${classes[at] ?? ''}>${inline(cell, link)}</${name}>`).join('')}</tr>`;
  return `<div class="scrolled" tabindex="0"><table>
<thead>${rowOf(head, 'th')}</thead>
<tbody>
${rows.map((row) => rowOf(row, 'td')).join('\n')}
</tbody>
</table></div>`;
}

/** Bars within code or behind a backslash divide nothing. @param {string} line */
function cellsOf(line) {
  const inner = line.trim().replace(/^\||\|$/g, '');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/**
 * @param {string} text
 * @param {Link} link
 * @returns {string}
 */
function inline(text, link) {
  /** @type {string[]} */
  const codes = [];
  // Code first: nothing in it is a sign. A character that no text has holds its place.
  const rest = text.replace(/`([^`]+)`/g, (_, code) => {
    codes.push(`<code>${escaped(code)}</code>`);
    return `\ue000${codes.length - 1}\ue001`;
  });
  return escaped(rest)
    .replace(/!\[([^\]]*)\]\(([^)\s]+)\)/g, (_, words, target) => {
      return `<img src="${link(target, true) ?? ''}" alt="${words}" />`;
    })
    .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_, words, target) => {
      const place = link(target, false);
      return place === undefined ? words : `<a href="${place}">${words}</a>`;
    })
    .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
    .replace(/(^|[\s(])\*([^*\s][^*]*)\*(?=[\s.,;:)]|$)/g, '$1<em>$2</em>')
    .replace(/\ue000(\d+)\ue001/g, (_, index) => codes[index] ?? '');
}

/** @param {string} text */
function escaped(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** As links to places in documents spell it. @param {string} heading */
function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}
