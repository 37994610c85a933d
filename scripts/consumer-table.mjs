// Writes what the matrix of consumers has shown as the table of docs/consumers.md.
// Why: people look for the tool that they use, and for the version that was seen to work.
// Always: words around the table are not touched; a consumer that was not run keeps its line.

import { readFileSync, writeFileSync } from 'node:fs';
import { BuildError } from './run.mjs';

const MARKER = '<!-- node scripts/consumers.mjs --save -->';

/**
 * @param {string} file
 * @param {import('./consumers.mjs').Outcome} outcome
 * @param {string[]} order names of all consumers
 */
export function saveTable(file, outcome, order) {
  const parts = readFileSync(file, 'utf8').split(MARKER);
  if (parts.length !== 3)
    throw new BuildError(`${file} needs ${MARKER} before and after its table.`);
  const [before, table, after] = parts;
  const rows = new Map(
    [...table.matchAll(/^\| .*<!-- (\S+) --> \|$/gm)].map(([row, name]) => [name, row]),
  );
  rows.set(outcome.name, rowOf(outcome));
  const sorted = order.flatMap((name) => rows.get(name) ?? []);
  const lines = ['| consumer | versions | seen | date |', '|---|---|---|---|', ...sorted];
  writeFileSync(file, [before, `\n${lines.join('\n')}\n`, after].join(MARKER));
}

/** @param {import('./consumers.mjs').Outcome} outcome */
function rowOf({ name, consumer, found, failure }) {
  const versions = Object.entries(consumer.packages).map(([each, version]) => `${each} ${version}`);
  const seen = failure === undefined ? found.join(', ') : `**fails**: ${failure.split('\n')[0]}`;
  const date = new Date().toISOString().slice(0, 10);
  return `| ${consumer.what} | ${versions.join(', ')} | ${seen.replaceAll('|', '\\|')} | ${date} <!-- ${name} --> |`;
}
