// Measures speed and memory of the command line, and of a page, beside what the machine and the browser can do.
// Why: a time says little, a ratio to copying the same file in the same round says how good we are.
// Always: rounds alternate everything that is compared; medians and quartiles are printed, nothing is judged.
//
// node scripts/bench.mjs [--only files|searched|sparse|url|zstd|page|kernels|names] [--rounds N] [--gigabytes X]
//      [--folder DIR] [--model FILE]... [--beside DIST] [--save]
//
// --model is one more model whose quantized weights are compressed.
// --beside measures another dist/ in the same rounds of the page. --save writes the tables into docs/speed.md, those of
// names (which only --only measures) into docs/limits.md.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchConversions, benchSearches, benchSparse } from './bench-files.mjs';
import { benchFolder } from './bench-folder.mjs';
import { benchKernels } from './bench-kernels.mjs';
import { benchNames } from './bench-names.mjs';
import { benchPage } from './bench-page.mjs';
import { benchUrl } from './bench-url.mjs';
import { benchZstd } from './bench-zstd.mjs';
import { BuildError, runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENTS = join(ROOT, 'docs');
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
  url: benchUrl,
  zstd: benchZstd,
  page: benchPage,
  kernels: benchKernels,
};

/** What is measured alone, and has a document of its own. */
const ALONE = { names: benchNames };

await runMain(async () => {
  const { only } = options;
  const parts = only === 'names' ? ALONE : PARTS;
  if (only !== undefined && !Object.hasOwn(parts, only)) {
    throw new BuildError(`--only takes ${Object.keys({ ...PARTS, ...ALONE }).join(', ')}.`);
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
    for (const [name, bench] of Object.entries(parts)) {
      if (only !== undefined && only !== name) continue;
      for await (const line of bench(job)) {
        lines.push(line);
        print(line);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (options.save) save(join(DOCUMENTS, parts === ALONE ? 'limits.md' : 'speed.md'), lines);
});

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/**
 * @param {string} document
 * @param {readonly string[]} lines
 */
function save(document, lines) {
  const marker = '<!-- npm run bench -- --save -->';
  const [before] = readFileSync(document, 'utf8').split(marker);
  writeFileSync(document, `${before}${marker}\n\n${lines.join('\n')}\n`);
}
