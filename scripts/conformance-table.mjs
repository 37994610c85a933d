// Turns what the conformance runs showed into a line a case, and into the tables of docs/conformance.md.
// Why: a person reads a line while it runs and a table afterwards; both say the same.
// Always: a failure is shown with its cause; the document's words around the tables are not touched.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The line before what a part writes, which ends before the next such line.
 * @param {string} part
 */
const marker = (part) => `<!-- npm run conformance -- ${part} -->`;
const MARKER = /^<!-- npm run conformance -- \w+ -->$/m;

/**
 * One case: what it is, its verdict, and what was measured or what is wrong.
 * @typedef {object} Case
 * @property {string} verdict
 * @property {string} mode
 * @property {string} [family]
 * @property {string} [tied]
 * @property {string} [model]
 * @property {string} [program] that loads it, or wrote it
 * @property {string | null} [cause]
 * @property {number} [quantized]
 * @property {number} [equal]
 * @property {number} [read] tensors that a parser lists
 * @property {number} [apart] largest difference of weights, as a share of the largest one
 * @property {number} [near] relative difference of outputs
 * @property {number} [divergence]
 * @property {number} [top1]
 * @property {number} [cosine]
 * @property {number} [bits] a weight
 * @property {number} [lost] mean log-probability of a text
 * @property {string} [text]
 * @property {number} [budget] bits a weight
 * @property {string} [way] how bits were chosen
 * @property {string} [chosen] what that has come to
 * @property {number} [predicted] weighted error, as the table has it
 * @property {number} [seconds]
 * @property {number} [bytes] of the output
 */

/** @param {Case} found */
export function wordsOf(found) {
  const name = [found.family ?? found.model, found.tied, found.mode, found.program]
    .filter(Boolean)
    .join(' ');
  const detail = found.verdict === 'ok' ? figures(found) : (found.cause ?? '');
  return `${found.verdict.padEnd(9)} ${name.padEnd(34)} ${shorten(detail, 160)}`.trimEnd();
}

/** @param {Case} found */
function figures({ quantized, apart, equal, read, near, divergence, top1, cosine, lost, text }) {
  const parts = [];
  if (quantized !== undefined) parts.push(`weights: ${weightsInWords(quantized, apart)}`);
  if (equal !== undefined) parts.push(`${equal} tensors equal`);
  if (read !== undefined) parts.push(`${read} tensors listed`);
  if (near !== undefined) parts.push(`outputs within ${percent(near)}`);
  if (divergence !== undefined) parts.push(`divergence ${divergence.toPrecision(2)}`);
  if (lost !== undefined) parts.push(`log-probability lost ${lost.toPrecision(2)}`);
  if (top1 !== undefined) parts.push(`top-1 ${top1.toFixed(3)}`);
  if (cosine !== undefined) parts.push(`cosine ${cosine.toFixed(4)}`);
  if (text !== undefined) parts.push(JSON.stringify(text));
  return parts.join(', ');
}

/**
 * What the whole model lost.
 * @param {Case} found
 */
function figuresOfModel({ divergence, cosine }) {
  if (divergence !== undefined) return `divergence ${divergence.toPrecision(3)}`;
  return cosine === undefined ? '' : `cosine ${cosine.toFixed(4)}`;
}

/**
 * @param {string} part
 * @param {Case[]} cases
 * @param {Record<string, string>} versions of what was run, by name
 * @returns {string} a heading and a table in Markdown
 */
export function tableOf(part, cases, versions) {
  const date = new Date().toISOString().slice(0, 10);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const [heading = '', ...rest] = TABLES[part](cases);
  return [heading, `Run on ${date} with ${named.join(', ')}.`, ...rest].join('\n\n');
}

const TABLES = {
  models: (/** @type {Case[]} */ cases) => modelTable('transformers', cases),
  vllm: (/** @type {Case[]} */ cases) => modelTable('vLLM on the processor', cases),
  gguf: (/** @type {Case[]} */ cases) =>
    modelTable('llama.cpp (node-llama-cpp), beside the same model in its own floats', cases),
  accuracy: (/** @type {Case[]} */ cases) => [
    '### What fewer bits cost, by method',
    table(
      ['model', 'tool', 'method', 'bits', 'verdict', 'what was seen'],
      cases.map((found) => [
        found.model ?? '',
        found.program ?? '',
        found.mode,
        `${found.bits}`,
        verdictOf(found),
        found.verdict === 'ok' ? figures(found) : shorten(found.cause ?? '', 120),
      ]),
    ),
  ],
  search: (/** @type {Case[]} */ cases) => [
    '### Ways to choose bits, at equal bytes',
    '![What models lose, by bits a weight: one setting, a budget, a search](pictures/search.svg)',
    table(
      ['model', 'bits a weight', 'way', 'chosen', 'bytes', 'predicted error', 'seen', 'seconds'],
      cases.map((found) => [
        found.model ?? '',
        String(found.budget ?? ''),
        found.way ?? '',
        found.verdict === 'ok' ? (found.chosen ?? '') : shorten(found.cause ?? '', 200),
        found.bytes === undefined ? '' : `${(found.bytes / 1e6).toFixed(2)} MB`,
        found.predicted?.toPrecision(3) ?? '',
        figuresOfModel(found),
        found.seconds?.toFixed(0) ?? '',
      ]),
    ),
  ],
  tensorboard: (/** @type {Case[]} */ cases) => [
    '### Files of events in TensorBoard',
    table(
      ['run', 'file', 'verdict', 'what was seen'],
      cases.map((found) => [found.model ?? '', found.mode, verdictOf(found), figures(found)]),
    ),
  ],
  layouts: (/** @type {Case[]} */ cases) => layoutTable('the programs of each', cases),
  mlx: (/** @type {Case[]} */ cases) => layoutTable('mlx-lm on the processor', cases),
  families: (/** @type {Case[]} */ cases) =>
    familyTable((families) => `Tiny models of ${families} families in transformers`, cases),
  modes: (/** @type {Case[]} */ cases) =>
    familyTable((families) => `Tiny models of ${families} families in all other modes`, cases),
};

/**
 * @param {string} loader
 * @param {Case[]} cases
 */
function modelTable(loader, cases) {
  const rows = cases.map((found) => [
    found.model ?? '',
    found.mode,
    verdictOf(found),
    found.verdict === 'ok' ? figures(found) : shorten(found.cause ?? '', 200),
  ]);
  return [
    `### Real models in ${loader}`,
    table(['model', 'mode', 'verdict', 'what was seen'], rows),
  ];
}

/**
 * A row for each program and layout: of many models, what was worst.
 * @param {string} programs
 * @param {Case[]} cases
 */
function layoutTable(programs, cases) {
  /** @type {Map<string, Case[]>} */
  const rows = new Map();
  for (const found of cases) {
    const key = `${found.program}\t${found.mode}`;
    rows.set(key, [...(rows.get(key) ?? []), found]);
  }
  /** @type {string[]} */
  const notes = [];
  const body = [...rows].map(([key, all]) => {
    const loaded = all.filter(({ verdict }) => verdict === 'ok');
    const most = (/** @type {'apart' | 'near'} */ name) =>
      Math.max(...loaded.map((found) => found[name] ?? 0));
    const others = all.filter((found) => !loaded.includes(found));
    const words = others.map((found) => {
      const note = noteNumber(notes, found.cause ?? '');
      return `${found.model}: ${verdictOf(found)} (${note})`;
    });
    const count = loaded.reduce((sum, { quantized = 0 }) => sum + quantized, 0);
    const hasOutputs = loaded.some(({ near }) => near !== undefined);
    const figures = [
      loaded.length === 0 ? '-' : weightsInWords(count, most('apart')),
      hasOutputs ? percent(most('near')) : '-',
    ];
    return [...key.split('\t'), `${loaded.length}`, ...figures, words.join('; ')];
  });
  return [
    `### Whole models of other layouts in ${programs}`,
    'How many models load without a missing or unexpected name; whether the weights that the program makes of the codes are those that `dequantize` writes (all of them, or the largest difference as a share of the largest weight); how far outputs are from those of the dequantized model, at most. Of what a program **writes**, whether `dequantize` makes the values of it that the program makes.',
    table(['program', 'layout', 'models', 'weights', 'outputs', 'others'], body),
    notes.map((note, i) => `${i + 1}. ${shorten(note, 400)}`).join('\n'),
  ];
}

/**
 * @param {number} count
 * @param {number} [apart]
 */
function weightsInWords(count, apart = 0) {
  return apart === 0 ? `${count} equal` : `${count} within ${apart.toPrecision(2)}`;
}

/**
 * @param {(families: number) => string} heading
 * @param {Case[]} cases
 */
function familyTable(heading, cases) {
  const modes = [...new Set(cases.map(({ mode }) => mode))].filter((mode) => mode !== '-');
  /** @type {Map<string, Case[]>} */
  const rows = new Map();
  for (const found of cases) {
    const key = `${found.family}\t${found.tied}`;
    rows.set(key, [...(rows.get(key) ?? []), found]);
  }
  /** @type {string[]} */
  const notes = [];
  const body = [...rows].map(([key, all]) => {
    const unmade = all.find(({ mode }) => mode === '-');
    const cells = modes.map((mode) => {
      const found = unmade ?? all.find((entry) => entry.mode === mode);
      if (found === undefined) return '';
      if (found.verdict === 'ok') return `${found.quantized} equal, ${percent(found.near ?? 0)}`;
      return `${verdictOf(found)} (${noteNumber(notes, found.cause ?? '')})`;
    });
    return [...key.split('\t'), ...cells];
  });
  const families = new Set(cases.map(({ family }) => family)).size;
  return [
    `### ${heading(families)}`,
    'How many quantized weights equal `dequantize` bit for bit (all of them), and how far the outputs are from those of the dequantized model.',
    table(['family', 'head', ...modes], body),
    notes.map((note, i) => `${i + 1}. ${shorten(note, 400)}`).join('\n'),
  ];
}

/**
 * @param {string[]} notes that there are; gets one that is new
 * @param {string} note
 * @returns {number} counted from one
 */
function noteNumber(notes, note) {
  if (!notes.includes(note)) notes.push(note);
  return notes.indexOf(note) + 1;
}

/** @param {Case} found */
function verdictOf({ verdict }) {
  return verdict === 'fails' ? '**fails**' : verdict;
}

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
function table(head, rows) {
  const line = (cells) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/**
 * Puts a part's table into the document, in place of the one that it wrote before.
 * @param {string} root the checkout
 * @param {string} part
 * @param {string} text
 */
export function writeDocument(root, part, text) {
  const file = join(root, 'docs', part === 'search' ? 'search.md' : 'conformance.md');
  const [before = '', after = ''] = readFileSync(file, 'utf8').split(`${marker(part)}\n`);
  const next = after.search(MARKER);
  const rest = next < 0 ? '' : `\n${after.slice(next)}`;
  writeFileSync(file, `${before}${marker(part)}\n\n${text}\n${rest}`);
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toPrecision(2)} %`;
}

/**
 * @param {string} text
 * @param {number} most characters
 */
function shorten(text, most) {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
