/**
 * A report as Markdown, to be pasted into a model card or shown as the summary of a job (GitHub's dialect).
 * Names and sentences may come from files: nothing in them becomes a link, an element, a mention, or another cell.
 */
import { formatCount } from '../format.js';
import { printable, printableJson, printableName } from '../printable.js';
import type { RowView, TableView } from './tables.js';
import type { ReportView } from './view.js';

/** More are a burden for every page; the JSON has them all. */
const ROWS_SHOWN = 500;

/** `withTables` false: without the tables of tensors, where there is little room. */
export function markdownOf(view: ReportView, withTables = true): string {
  const { title, failure, facts, tables, warnings, configuration, command, version } = view;
  const blocks = [
    `## ${plain(title)}`,
    ...(failure === undefined ? [] : [`**Failed:** ${plain(failure)}`]),
    factTable(facts),
    ...warnings.map(({ message }) => `> **Warning:** ${plain(message)}`),
    ...(withTables ? tables.flatMap(tableBlocks) : []),
    '### Do it again',
    fenced(command, 'sh'),
    folded('Configuration', fenced(printableJson(configuration), 'json')),
    `Made with monoquant ${version}.`,
  ];
  return `${blocks.join('\n\n')}\n`;
}

function factTable(facts: ReportView['facts']): string {
  const rows: [label: string, text: string][] = [];
  for (const [label, text] of facts.flatMap((fact) => (fact === undefined ? [] : [fact]))) {
    const above = rows.at(-1);
    if (label === '' && above !== undefined) above[1] += `<br>${plain(text)}`;
    else rows.push([label, plain(text)]);
  }
  return ['| | |', '|---|---|', ...rows.map((cells) => line(cells))].join('\n');
}

/** Every tensor is in the document; those that were left alone are folded away. */
function tableBlocks(table: TableView): string[] {
  const { title, columns, rows } = table;
  const shown = rows.slice(0, ROWS_SHOWN);
  const text = [
    line(columns.map((column) => column.title)),
    line(columns.map(({ align }) => (align === 'right' ? '---:' : '---'))),
    ...shown.map(rowLine),
  ].join('\n');
  const hidden = rows.length - shown.length;
  const more = hidden > 0 ? [`… ${formatCount(hidden)} more.`] : [];
  const isQuiet = rows.every(({ isUnchanged }) => isUnchanged === true);
  const heading = capitalized(title);
  if (!isQuiet) return [`### ${heading}`, text, ...more];
  return [folded(`${heading} (${formatCount(rows.length)})`, [text, ...more].join('\n\n'))];
}

function rowLine({ cells, quality }: RowView): string {
  const [name = '', ...others] = cells;
  const mark = quality === 'low' || quality === 'very-low' ? ' ⚠' : '';
  return line([code(name) + mark, ...others.map(plain)]);
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function folded(summary: string, content: string): string {
  return `<details>\n<summary>${summary}</summary>\n\n${content}\n\n</details>`;
}

/** Behind a fence that is longer than any in the text. */
function fenced(text: string, language: string): string {
  const runs = [...text.matchAll(/`+/g)].map(([run]) => run.length);
  const fence = '`'.repeat(Math.max(3, ...runs.map((length) => length + 1)));
  return `${fence}${language}\n${text}\n${fence}`;
}

/** A name. Signs that end a span of code, or a cell, are spelled as characters of HTML. */
function code(name: string): string {
  const text = printableName(name);
  if (/^[!-~]+$/.test(text) && !/[`|\\]/.test(text)) return `\`${text}\``;
  const spelled = text.replace(/[ -,:-@[-`{-~]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return `<code>${spelled}</code>`;
}

/** A sentence, in which no sign means anything. */
function plain(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*[\]|~$#>]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\$&')
    .replace(/@(?=\w)/g, '&#64;')
    .replace(/:(?=\/\/)/g, '&#58;')
    .replace(/\bwww\./gi, (start) => start.replace('.', '&#46;'));
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
