// Measures what searching scales buys: INT4 in groups of 128, rtn beside mse, on the models it is given.
// Why: a default that costs time has to show what it is worth, on weights that somebody really trained.
// Always: numbers are those of the reports, from stored codes and stored scales; nothing is left on the disk.
//
// node scripts/compare-methods.mjs MODEL...

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BuildError, runMain } from './run.mjs';

const CLI = join(import.meta.dirname, '..', 'dist', 'node', 'cli.js');

const SCHEMES = /** @type {const} */ (['symmetric', 'asymmetric']);
const METHODS = /** @type {const} */ (['rtn', 'mse']);

await runMain(async () => {
  const models = process.argv.slice(2);
  if (models.length === 0) throw new BuildError('Usage: node scripts/compare-methods.mjs MODEL...');
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-compare-'));
  try {
    print(['model', 'scheme', 'tensors', 'rtn', 'mse', 'gain', 'better', 'equal', 'worse']);
    print(Array(9).fill('---'));
    for (const model of models) {
      for (const scheme of SCHEMES) print(compare(model, scheme, folder));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/**
 * A line of the table. SQNR is in dB, the mean of all quantized tensors weighted by their elements.
 * @param {string} model
 * @param {'symmetric' | 'asymmetric'} scheme
 * @param {string} folder
 */
function compare(model, scheme, folder) {
  const output = join(folder, 'output.safetensors');
  const [rtn, mse] = METHODS.map((method) => {
    // Small tensors too: methods are compared here, not the choice of layers.
    const choices = ['--bits', '4', '--scheme', scheme, '--method', method, '--min-elements', '0'];
    return report(['quantize', model, ...choices, '-o', output, '--force', '--json']);
  });
  if (rtn === undefined || mse === undefined) throw new Error('Two methods have two reports.');
  const before = new Map(rtn.tensors.map(({ name, sqnrDb }) => [name, sqnrDb ?? Infinity]));
  const signs = mse.tensors.map(({ name, sqnrDb }) => {
    return Math.sign((sqnrDb ?? Infinity) - (before.get(name) ?? Infinity)) || 0;
  });
  const count = (/** @type {number} */ sign) => signs.filter((found) => found === sign).length;
  const [low, high] = [rtn.sqnrDb ?? Infinity, mse.sqnrDb ?? Infinity];
  return [
    basename(model),
    scheme,
    `${signs.length}`,
    low.toFixed(2),
    high.toFixed(2),
    `+${(high - low).toFixed(2)}`.replace('+-', '−'),
    `${count(1)}`,
    `${count(0)}`,
    `${count(-1)}`,
  ];
}

/**
 * @typedef {{ readonly sqnrDb: number | null }} Quality
 * @param {readonly string[]} words
 * @returns {Quality & { readonly tensors: readonly (Quality & { readonly name: string })[] }}
 */
function report(words) {
  const maxBuffer = 2 ** 30;
  const run = spawnSync(process.execPath, [CLI, ...words], { encoding: 'utf8', maxBuffer });
  if (run.status !== 0) throw new BuildError(run.stderr);
  return JSON.parse(run.stdout);
}

/** @param {readonly string[]} cells */
function print(cells) {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}
