// Measures speed and memory of the command line, and of a page, beside what the machine and the browser can do.
// Why: a time says little, a ratio to copying the same file in the same round says how good we are.
// Always: rounds alternate everything that is compared; medians and quartiles are printed, nothing is judged.
//
// node scripts/bench.mjs [--only files|searched|sparse|zstd|page|kernels] [--rounds N] [--gigabytes X] [--folder DIR]
//      [--model FILE]... [--beside DIST] [--save]
//
// --model is one more model whose quantized weights are compressed.
// --beside measures another dist/ in the same rounds of the page. --save writes the tables into docs/speed.md.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchConversions, benchSearches, benchSparse } from './bench-files.mjs';
import { benchFolder } from './bench-folder.mjs';
import { benchKernels } from './bench-kernels.mjs';
import { benchPage } from './bench-page.mjs';
import { benchZstd } from './bench-zstd.mjs';
import { BuildError, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENT = join(ROOT, 'docs', 'speed.md');
const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    gigabytes: { type: 'string', default: '1.5' },
    folder: { type: 'string' },
    beside: { type: 'string' },
    model: { type: 'string', multiple: true, default: [] },
    save: { type: 'boolean', default: false },
  },
});

/** What is measured, in the order of the tables. */
const PARTS = {
  files: benchConversions,
  searched: benchSearches,
  sparse: benchSparse,
  zstd: benchZstd,
  page: benchPage,
  kernels: benchKernels,
};

await runMain(async () => {
  const { only } = options;
  if (only !== undefined && !Object.hasOwn(PARTS, only)) {
    throw new BuildError(`--only takes ${Object.keys(PARTS).join(', ')}.`);
  }
  const bytes = Number(options.gigabytes) * 1e9;
  const { folder, kind } = benchFolder(join(ROOT, 'build', 'bench'), options.folder, 3 * bytes);
  const { beside, model: models } = options;
  const job = { root: ROOT, folder, bytes, rounds: Number(options.rounds), beside, models };
  const lines = [
    `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}, files on ${kind}.`,
  ];
  print(lines[0]);
  try {
    for (const [name, bench] of Object.entries(PARTS)) {
      if (only !== undefined && only !== name) continue;
      for await (const line of bench(job)) {
        lines.push(line);
        print(line);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (options.save) save(lines);
});

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/** @param {readonly string[]} lines */
function save(lines) {
  const marker = '<!-- npm run bench -- --save -->';
  const [before] = readFileSync(DOCUMENT, 'utf8').split(marker);
  writeFileSync(DOCUMENT, `${before}${marker}\n\n${lines.join('\n')}\n`);
}
