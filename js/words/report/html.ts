/**
 * A report as one HTML file that needs nothing else: no request, no script; readable in light and dark, and on paper.
 * Names and sentences may come from files, so every text is escaped, and the page's own policy allows nothing but its
 * style.
 */
import { formatCount } from '../format.js';
import { printable, printableJson, printableName } from '../printable.js';
import { histogramSvg } from './histogram.js';
import { STYLE } from './style.js';
import type { RowView, TableView } from './tables.js';
import type { ReportView } from './view.js';

export function htmlOf(view: ReportView): string {
  const {
    title,
    failure,
    facts,
    tables,
    rated,
    warnings,
    usages,
    configuration,
    command,
    version,
  } = view;
  const histogram = histogramSvg(rated);
  const sections = [
    `<h1>${escaped(title)}</h1>`,
    failure === undefined ? '' : `<p class="note failure"><b>Failed.</b> ${escaped(failure)}</p>`,
    ...warnings.map(({ message }) => `<p class="note warning">${escaped(message)}</p>`),
    `<dl>${factItems(facts)}</dl>`,
    histogram === ''
      ? ''
      : `<h2>Tensors by SQNR</h2>\n<div class="wide">${histogram}</div>\n${LEGEND}`,
    pictureSection(view.picture),
    ...tables.map(tableSection),
    usages.length === 0 ? '' : `<h2>Use it</h2>\n${usages.map(usageSection).join('\n')}`,
    `<h2>Do it again</h2>\n<pre>${escaped(command)}</pre>`,
    `<details><summary>Configuration</summary><pre>${jsonText(configuration)}</pre></details>`,
    `<footer>Made with monoquant ${escaped(version)}</footer>`,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${sections.filter((section) => section !== '').join('\n')}
</main>
</body>
</html>
`;
}

function usageSection({ title, needs, code }: ReportView['usages'][number]): string {
  const note = needs === '' ? '' : `<p class="quiet">${escaped(needs)}</p>\n`;
  const lines = code.split('\n').map(escaped).join('\n');
  return `<h3>${escaped(title)}</h3>\n${note}<pre>${lines}</pre>`;
}

const LEGEND =
  '<p class="quiet">SQNR is the signal to noise ratio of the stored weights: 20 dB is an error of a tenth of the weights, 40 dB of a hundredth. Tensors below 20 dB are yellow, below 10 dB red.</p>';

function pictureSection(picture: ReportView['picture']): string {
  if (picture === undefined || picture.svg === '') return '';
  const { title, svg, legend } = picture;
  return `<h2>${escaped(title)}</h2>\n<div class="wide">${svg}</div>\n<p class="quiet">${escaped(legend)}</p>`;
}

function factItems(facts: ReportView['facts']): string {
  return facts
    .flatMap((fact) => {
      if (fact === undefined) return [];
      const [label, text] = fact;
      // One without a label goes on with the one above.
      return [`${label === '' ? '' : `<dt>${escaped(label)}</dt>`}<dd>${escaped(text)}</dd>`];
    })
    .join('');
}

/** Tensors that were left alone are folded away. */
function tableSection({ title, columns, rows }: TableView): string {
  const head = columns.map((column) => cell('th', column.align, escaped(column.title))).join('');
  const body = rows.map((row) => tableRow(row, columns)).join('\n');
  const table = `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
  const heading = escaped(title.charAt(0).toUpperCase() + title.slice(1));
  if (rows.some(({ isUnchanged }) => isUnchanged !== true)) return `<h2>${heading}</h2>\n${table}`;
  return `<details><summary>${heading} (${formatCount(rows.length)})</summary>${table}</details>`;
}

function tableRow(
  { cells, quality, isUnchanged, shades }: RowView,
  columns: TableView['columns'],
): string {
  const kind = quality ?? (isUnchanged === true ? 'unchanged' : 'good');
  const texts = cells.map((text, index) => {
    const shown = index === 0 ? printableName(text) : text;
    const { align } = columns[index] ?? {};
    return cell(index === 0 ? 'th' : 'td', align, escaped(shown), shades?.[index]);
  });
  return `<tr class="${kind}">${texts.join('')}</tr>`;
}

function cell(
  element: 'td' | 'th',
  align: 'right' | undefined,
  content: string,
  shade?: number,
): string {
  const kind = align === undefined ? '' : ' class="number"';
  const style = shade === undefined ? '' : ` style="--shade:${Math.round(shade * 100)}%"`;
  return `<${element}${kind}${style}>${content}</${element}>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escaped(text: string): string {
  return entities(printable(text));
}

/** Its lines stay lines. */
function jsonText(document: unknown): string {
  return entities(printableJson(document));
}

function entities(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
}
